"""The pages for mailboxes: the list, and one form for making and changing."""

from typing import Annotated, Any

from litestar import Response, Router, get, post
from litestar.params import Parameter
from litestar.response import Redirect

from postroom_api.domain import mailbox_forms
from postroom_api.domain.mailbox_forms import FormError, MailboxForm
from postroom_api.domain.mailbox_settings import Mailbox
from postroom_api.http.entries import require_administrator
from postroom_api.http.office import Office
from postroom_api.http.pages import SEE_OTHER, Of, Req, Who, page
from postroom_api.http.problems import ProblemError
from postroom_api.ports import TakenError

UNPROCESSABLE = 422


def _form(
    request: Req,
    form: MailboxForm,
    kind: str,
    box: Mailbox | None,
    error: str | None = None,
    *,
    receiving: bool = False,
) -> Response[str]:
    status = UNPROCESSABLE if error else 200
    values = {"form": form, "type": kind, "box": box, "error": error, "receiving": receiving}
    return page(request, "mailbox.html", status, **values)


@get("/mailboxes", include_in_schema=False)
async def mailboxes_page(request: Req, who: Who, office: Of) -> Response[str]:
    return page(request, "mailboxes.html", mailboxes=await office.mailboxes(who))


@get("/mailboxes/new", include_in_schema=False)
async def new_mailbox_page(
    request: Req, who: Who, kind: Annotated[str, Parameter(query="type")] = ""
) -> Response[str]:
    require_administrator(who)
    known = kind if kind in {"smtp", "imap", "pop3"} else ""
    return _form(request, MailboxForm(), known, None)


@post("/mailboxes/new", include_in_schema=False)
async def new_mailbox(request: Req, who: Who, office: Of) -> Response[Any]:
    return await _save(request, who, office, None)


@get("/mailboxes/{mailbox:str}", include_in_schema=False)
async def mailbox_page(
    request: Req,
    who: Who,
    office: Of,
    mailbox: str,
    receiving: Annotated[bool, Parameter(query="receiving")] = False,
) -> Response[str]:
    box = await office.mailbox(who, mailbox)
    form = mailbox_forms.to_form(box)
    return _form(request, form, box.source.type, box, receiving=receiving)


@post("/mailboxes/{mailbox:str}", include_in_schema=False)
async def change_mailbox(request: Req, who: Who, office: Of, mailbox: str) -> Response[Any]:
    return await _save(request, who, office, await office.mailbox(who, mailbox))


async def _save(request: Req, who: Who, office: Office, box: Mailbox | None) -> Response[Any]:
    fields = dict(await request.form())
    form = mailbox_forms.read(fields)
    kind = box.source.type if box else fields.get("type", "smtp")
    try:
        settings = mailbox_forms.settings_of(form, kind)
        if box is None:
            saved = await office.add_mailbox(who, settings)
        else:
            saved = await office.change_mailbox(who, box.id, settings)
    except (FormError, TakenError, ProblemError) as error:
        if isinstance(error, ProblemError) and error.status != UNPROCESSABLE:
            raise
        form.password = ""
        return _form(request, form, kind, box, str(error))
    where = f"/rules/new?mailbox={saved.id}" if fields.get("then") else f"/mailboxes/{saved.id}"
    return Redirect(where, status_code=SEE_OTHER)


@post("/mailboxes/{mailbox:str}/receive", include_in_schema=False)
async def receive_now(who: Who, office: Of, mailbox: str) -> Redirect:
    await office.receive_now(who, mailbox)
    return Redirect(f"/mailboxes/{mailbox}?receiving=true", status_code=SEE_OTHER)


@post("/mailboxes/{mailbox:str}/delete", include_in_schema=False)
async def delete_mailbox(who: Who, office: Of, mailbox: str) -> Redirect:
    await office.delete_mailbox(who, mailbox)
    return Redirect("/mailboxes", status_code=SEE_OTHER)


def router() -> Router:
    """Return the pages."""
    handlers: list[Any] = [
        mailboxes_page, new_mailbox_page, new_mailbox, mailbox_page, change_mailbox, receive_now,
        delete_mailbox,
    ]  # fmt: skip
    return Router("/", route_handlers=handlers)
