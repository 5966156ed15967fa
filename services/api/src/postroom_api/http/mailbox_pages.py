"""The pages for mailboxes: one form for making and changing, and connecting by a link."""

from datetime import date
from typing import Annotated, Any, Literal
from urllib.parse import urlencode

from litestar import Response, Router, get, post
from litestar.di import NamedDependency
from litestar.params import QueryParameter
from litestar.response import Redirect

from postroom_api.domain import mailbox_forms
from postroom_api.domain.connecting import ConnectLink
from postroom_api.domain.discovery import Discovered
from postroom_api.domain.mail_services import MailService
from postroom_api.domain.mailbox_forms import FormError, MailboxForm
from postroom_api.domain.mailbox_settings import Mailbox, MailboxSettings
from postroom_api.domain.values import Principal
from postroom_api.http.catalogue import Catalogue
from postroom_api.http.connecting import Connecting
from postroom_api.http.discovering import Discovering
from postroom_api.http.office import Office
from postroom_api.http.pages import SEE_OTHER, Of, Req, Who, page
from postroom_api.http.problems import ProblemError
from postroom_api.ports import TakenError

UNPROCESSABLE = 422
Then = Literal["", "setup"]
"""Where one goes on after saving: to the mailbox, or with the first steps."""
CONFLICT = 409
Shelf = NamedDependency[Catalogue]
Links = NamedDependency[Connecting]
Finder = NamedDependency[Discovering]


async def _form(
    request: Req,
    who: Principal,
    office: Office,
    form: MailboxForm,
    source: str,
    *,
    kind: str = "system",
    box: Mailbox | None = None,
    service: MailService | None = None,
    error: str | None = None,
    found: Discovered | None = None,
    receiving: str = "",
    signing_in: bool = False,
    then: str = "",
) -> Response[str]:
    owners = await office.owners(who) if kind == "user" and who.administrator else []
    return page(
        request, "mailbox.html", UNPROCESSABLE if error else 200,
        form=form, type=source, kind=kind, box=box, service=service, owners=owners, error=error,
        found=found, receiving=receiving, signing_in=signing_in, then=then,
    )  # fmt: skip


@get("/mailboxes/new", include_in_schema=False)
async def new_mailbox_page(
    request: Req,
    who: Who,
    office: Of,
    catalogue: Shelf,
    discovering: Finder,
    source: Annotated[str, QueryParameter(name="type")] = "",
    service: Annotated[str, QueryParameter(name="service")] = "",
    address: Annotated[str, QueryParameter(name="address", max_length=254)] = "",
    then: Annotated[Then, QueryParameter(name="then")] = "",
) -> Response[str]:
    if address:
        wanted: Literal["", "pop3"] = "pop3" if source == "pop3" else ""
        found = await _found(request, who, catalogue, discovering, address, wanted)
        if isinstance(found, Response):
            return found
        return await _discovered(request, who, office, catalogue, found, then)
    if service:
        chosen = await catalogue.service(who, service)
        form = _prefilled(chosen)
        return await _form(request, who, office, form, "imap", kind="user", service=chosen)
    if source in {"smtp", "imap", "pop3"} and who.administrator:
        return await _form(request, who, office, MailboxForm(), source)
    return await _choices(request, who, catalogue)


async def _choices(
    request: Req, who: Principal, catalogue: Catalogue, address: str = "", error: str | None = None
) -> Response[str]:
    services = [one for one in await catalogue.services(who) if one.choosable]
    status = UNPROCESSABLE if error else 200
    return page(
        request, "mailbox_new.html", status, services=services, address=address, error=error
    )


async def _found(
    request: Req,
    who: Principal,
    catalogue: Catalogue,
    discovering: Discovering,
    address: str,
    wanted: Literal["", "pop3"],
) -> Discovered | Response[str]:
    """Return what is known of an address, or the choices again with the reason."""
    try:
        found = await discovering.discover(who, address, wanted)
    except ProblemError as error:
        return await _choices(request, who, catalogue, address, str(error))
    if found.service is None and not who.administrator:
        words = f"No permitted e-mail service fits {address}. Choose one, or ask an administrator."
        return await _choices(request, who, catalogue, address, words)
    return found


async def _discovered(
    request: Req,
    who: Principal,
    office: Office,
    catalogue: Catalogue,
    found: Discovered,
    then: Then,
) -> Response[str]:
    """Return the form filled in for an address."""
    service = await catalogue.service(who, found.service.id) if found.service else None
    form = _prefilled(service) if service else MailboxForm(interval_minutes="5")
    form.name, form.login = found.login, found.login
    form.host, form.port, form.tls = found.host, str(found.port), found.tls
    kind = "user" if service else "system"
    return await _form(
        request, who, office, form, found.type, kind=kind, service=service, found=found, then=then
    )


def _prefilled(service: MailService) -> MailboxForm:
    imap = service.imap
    return MailboxForm(
        service=service.id,
        host=imap.host,
        port=str(imap.port or ""),
        tls=imap.tls,
        verify=imap.verify,
        web_link=service.web_link,
        interval_minutes="5",
    )


@post("/mailboxes/new", include_in_schema=False)
async def new_mailbox(request: Req, who: Who, office: Of, catalogue: Shelf) -> Response[Any]:
    return await _save(request, who, office, catalogue, None)


@get("/mailboxes/{mailbox:str}", include_in_schema=False)
async def mailbox_page(
    request: Req,
    who: Who,
    office: Of,
    catalogue: Shelf,
    mailbox: str,
    receiving: Annotated[str, QueryParameter(name="receiving", max_length=50)] = "",
    signing_in: Annotated[bool, QueryParameter(name="signing_in")] = False,
) -> Response[str]:
    box = await office.mailbox(who, mailbox)
    service = await catalogue.service(who, box.service.id) if box.service else None
    form = mailbox_forms.to_form(box)
    return await _form(
        request, who, office, form, box.source.type, kind=box.kind, box=box, service=service,
        receiving=receiving, signing_in=signing_in,
    )  # fmt: skip


@post("/mailboxes/{mailbox:str}", include_in_schema=False)
async def change_mailbox(
    request: Req, who: Who, office: Of, catalogue: Shelf, mailbox: str
) -> Response[Any]:
    return await _save(request, who, office, catalogue, await office.mailbox(who, mailbox))


async def _save(
    request: Req, who: Who, office: Office, catalogue: Catalogue, box: Mailbox | None
) -> Response[Any]:
    async def save(settings: MailboxSettings) -> Mailbox:
        if box is None:
            return await office.add_mailbox(who, settings)
        return await office.change_mailbox(who, box.id, settings)

    fields = {name: str(value) for name, value in dict(await request.form()).items()}
    kind = box.kind if box else fields.get("kind", "system")
    chosen = box.service.id if box and box.service else fields.get("service", "")
    service = await catalogue.service(who, chosen) if kind == "user" and chosen else None
    return await _saved(request, who, office, fields, save, kind=kind, box=box, service=service)


async def _saved(
    request: Req,
    who: Principal,
    office: Office,
    fields: dict[str, str],
    save: Any,
    *,
    kind: str,
    box: Mailbox | None,
    service: MailService | None,
) -> Response[Any]:
    form = mailbox_forms.read(fields)
    source = box.source.type if box else fields.get("type", "smtp")
    try:
        saved = await save(mailbox_forms.settings_of(form, source, kind, box))
    except (FormError, TakenError, ProblemError) as error:
        if isinstance(error, ProblemError) and error.status not in {UNPROCESSABLE, CONFLICT}:
            raise
        form.password = ""
        return await _form(
            request, who, office, form, source, kind=kind, box=box, service=service,
            error=str(error), then=fields.get("then", ""),
        )  # fmt: skip
    return Redirect(_after(fields.get("then", ""), saved.id), status_code=SEE_OTHER)


def _after(then: str, mailbox: str) -> str:
    if then == "rule":
        return f"/rules/new?mailbox={mailbox}"
    if then == "sign-in":
        # Not to the provider at once: a form may lead nowhere else (CSP form-action).
        return f"/mailboxes/{mailbox}?signing_in=true"
    return f"/setup/arrival/{mailbox}" if then == "setup" else f"/mailboxes/{mailbox}"


@get("/connect/{secret:str}", include_in_schema=False)
async def connect_page(
    request: Req, who: Who, office: Of, catalogue: Shelf, connecting: Links, secret: str
) -> Response[str]:
    link = await connecting.open(who, secret)
    service = await catalogue.service(who, link.service)
    form = _prefilled(service)
    return await _form(request, who, office, form, "imap", kind="user", service=service)


@post("/connect/{secret:str}", include_in_schema=False)
async def connect(
    request: Req, who: Who, office: Of, catalogue: Shelf, connecting: Links, secret: str
) -> Response[Any]:
    async def save(settings: MailboxSettings) -> Mailbox:
        return await connecting.connect(who, secret, settings)

    link = await connecting.open(who, secret)
    service = await catalogue.service(who, link.service)
    fields = {name: str(value) for name, value in dict(await request.form()).items()}
    fields |= {"type": "imap", "owner": ""}
    return await _saved(request, who, office, fields, save, kind="user", box=None, service=service)


@get("/connect-links/new", include_in_schema=False)
async def new_link_page(request: Req, who: Who, office: Of, catalogue: Shelf) -> Response[str]:
    return await _link_page(request, who, office, catalogue, None)


@post("/connect-links/new", include_in_schema=False)
async def new_link(
    request: Req, who: Who, office: Of, catalogue: Shelf, connecting: Links
) -> Response[str]:
    fields = {name: str(value) for name, value in dict(await request.form()).items()}
    person, service = fields.get("person", ""), fields.get("service", "")
    link = await connecting.make_link(who, person, service, send=bool(fields.get("send")))
    return await _link_page(request, who, office, catalogue, link)


async def _link_page(
    request: Req, who: Principal, office: Office, catalogue: Catalogue, link: ConnectLink | None
) -> Response[str]:
    services = [one for one in await catalogue.services(who) if one.choosable]
    owners = await office.owners(who)
    return page(request, "connect_link.html", services=services, owners=owners, link=link)


@post("/mailboxes/{mailbox:str}/receive", include_in_schema=False)
async def receive_now(request: Req, who: Who, office: Of, mailbox: str) -> Redirect:
    known = (await office.mailbox(who, mailbox)).checked
    text = str((await request.form()).get("since") or "")
    try:
        since = date.fromisoformat(text) if text else None
    except ValueError as error:
        raise ProblemError(UNPROCESSABLE, "invalid", "This is no day.") from error
    await office.receive_now(who, mailbox, since)
    where = f"/mailboxes/{mailbox}?{urlencode({'receiving': known})}"
    return Redirect(where, status_code=SEE_OTHER)


@post("/mailboxes/{mailbox:str}/delete", include_in_schema=False)
async def delete_mailbox(who: Who, office: Of, mailbox: str) -> Redirect:
    await office.delete_mailbox(who, mailbox)
    return Redirect(f"/mailboxes?gone={mailbox}", status_code=SEE_OTHER)


@get("/mailboxes-deleted", include_in_schema=False)
async def deleted_page(request: Req, who: Who, office: Of) -> Response[str]:
    return page(request, "mailboxes_deleted.html", deleted=await office.deleted(who))


@post("/mailboxes-deleted/{mailbox:str}/restore", include_in_schema=False)
async def restore_mailbox(who: Who, office: Of, mailbox: str) -> Redirect:
    back = await office.restore(who, mailbox)
    return Redirect(f"/mailboxes/{back.id}", status_code=SEE_OTHER)


def router() -> Router:
    """Return the pages."""
    handlers: list[Any] = [
        new_mailbox_page, new_mailbox, mailbox_page, change_mailbox, receive_now,
        delete_mailbox, deleted_page, restore_mailbox, connect_page, connect, new_link_page,
        new_link,
    ]  # fmt: skip
    return Router("/", route_handlers=handlers)
