"""The pages of the catalogue: the list, the form, and what a restriction or a push would do."""

from datetime import UTC, date, datetime, time
from typing import Any

from litestar import Response, Router, get, post
from litestar.di import NamedDependency
from litestar.response import Redirect

from postroom_api.domain import service_forms
from postroom_api.domain.mail_services import MailService
from postroom_api.domain.mailbox_forms import FormError
from postroom_api.domain.service_forms import ServiceForm
from postroom_api.http.catalogue import Catalogue
from postroom_api.http.entries import require_administrator
from postroom_api.http.pages import SEE_OTHER, Req, Who, page
from postroom_api.http.problems import ProblemError, invalid
from postroom_api.http.scoped import FEED

UNPROCESSABLE = 422
Shelf = NamedDependency[Catalogue]


def _form(
    request: Req, form: ServiceForm, service: MailService | None, error: str | None = None
) -> Response[str]:
    status = UNPROCESSABLE if error else 200
    return page(request, "service.html", status, form=form, service=service, error=error)


@get("/services", include_in_schema=False)
async def services_page(request: Req, who: Who, catalogue: Shelf) -> Response[str]:
    require_administrator(who)
    found = await catalogue.services(who)
    per_user = (await catalogue.policy(who)).mailboxes_per_user
    return page(request, "services.html", services=found, per_user=per_user)


@post("/services-policy", include_in_schema=False)
async def change_policy(request: Req, who: Who, catalogue: Shelf) -> Redirect:
    text = str((await request.form()).get("mailboxes_per_user", "")).strip()
    if not text.isdecimal() or len(text) > 5:  # noqa: PLR2004 - as many digits as 10000 has
        raise invalid("mailboxes_per_user", "number", "Mailboxes per user: give a number.")
    await catalogue.set_per_user(who, int(text))
    return Redirect("/services", status_code=SEE_OTHER)


@get("/services/new", include_in_schema=False)
async def new_service_page(request: Req, who: Who) -> Response[str]:
    require_administrator(who)
    return _form(request, ServiceForm(), None)


@post("/services/new", include_in_schema=False)
async def new_service(request: Req, who: Who, catalogue: Shelf) -> Response[Any]:
    return await _save(request, who, catalogue, None)


@get("/services/{service:str}", include_in_schema=False)
async def service_page(request: Req, who: Who, catalogue: Shelf, service: str) -> Response[str]:
    require_administrator(who)
    found = await catalogue.service(who, service)
    return _form(request, service_forms.to_form(found), found)


@post("/services/{service:str}", include_in_schema=False)
async def change_service(request: Req, who: Who, catalogue: Shelf, service: str) -> Response[Any]:
    return await _save(request, who, catalogue, await catalogue.service(who, service))


async def _save(
    request: Req, who: Who, catalogue: Catalogue, service: MailService | None
) -> Response[Any]:
    form = service_forms.read({k: str(v) for k, v in dict(await request.form()).items()})
    try:
        settings = service_forms.settings_of(form)
        if service is None:
            await catalogue.add(who, settings)
            return Redirect("/services", status_code=SEE_OTHER)
        saved = await catalogue.change(who, service.id, settings)
    except (FormError, ProblemError) as error:
        if isinstance(error, ProblemError) and error.status != UNPROCESSABLE:
            raise
        form.oauth_client_secret = ""
        return _form(request, form, service, str(error))
    if not saved.free and (await catalogue.preview_push(who, saved.id)).count:
        return Redirect(f"/services/{saved.id}/push", status_code=SEE_OTHER)
    return Redirect("/services", status_code=SEE_OTHER)


@post("/services/{service:str}/{step:str}", include_in_schema=False)
async def act(who: Who, catalogue: Shelf, service: str, step: str) -> Redirect:
    """Move, permit or delete: the buttons of the list and of the form."""
    if step in {"up", "down"}:
        await catalogue.move(who, service, up=step == "up")
    elif step == "permit":
        await catalogue.permit(who, service)
    elif step == "delete":
        await catalogue.delete(who, service)
    else:
        raise ProblemError(404, "not_found", "There is no such button.")
    return Redirect("/services", status_code=SEE_OTHER)


@get("/services/{service:str}/push", include_in_schema=False)
async def push_page(request: Req, who: Who, catalogue: Shelf, service: str) -> Response[str]:
    found = await catalogue.service(who, service)
    impact = await catalogue.preview_push(who, service)
    return page(request, "service_push.html", service=found, impact=impact)


@post("/services/{service:str}/push", include_in_schema=False, opt={FEED: True})
async def push(who: Who, catalogue: Shelf, service: str) -> Redirect:
    await catalogue.push(who, service)
    return Redirect("/services", status_code=SEE_OTHER)


@get("/services/{service:str}/restriction", include_in_schema=False)
async def restriction_page(request: Req, who: Who, catalogue: Shelf, service: str) -> Response[str]:
    found = await catalogue.service(who, service)
    impact = await catalogue.preview_restriction(who, service)
    return page(request, "service_restriction.html", service=found, impact=impact)


@post("/services/{service:str}/restriction", include_in_schema=False)
async def restrict(request: Req, who: Who, catalogue: Shelf, service: str) -> Redirect:
    text = str((await request.form()).get("grace_until", "")).strip()
    try:
        day = datetime.combine(date.fromisoformat(text), time.max, UTC) if text else None
    except ValueError:
        raise invalid("grace_until", "date", "Give a date, as 2026-12-31.") from None
    await catalogue.restrict(who, service, day)
    return Redirect("/services", status_code=SEE_OTHER)


def router() -> Router:
    """Return the pages."""
    handlers: list[Any] = [
        services_page, change_policy, new_service_page, new_service, service_page, change_service,
        act, push_page, push, restriction_page, restrict,
    ]  # fmt: skip
    return Router("/", route_handlers=handlers)
