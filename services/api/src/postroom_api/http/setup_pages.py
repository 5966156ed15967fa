"""The first steps: who one is, a first mailbox, and a mail that one watches arrive.

Law: going through them again changes nothing that is there.
"""

from typing import Annotated, Any, Final
from urllib.parse import urlencode

import msgspec
from litestar import Response, Router, get, post
from litestar.di import NamedDependency
from litestar.params import QueryParameter
from litestar.response import Redirect

from postroom_api.domain.grids import GridQuery
from postroom_api.domain.mailbox_settings import MailboxSettings, Source
from postroom_api.domain.values import Principal
from postroom_api.http.desk import Desk
from postroom_api.http.entries import address_of, require_administrator
from postroom_api.http.office import Office
from postroom_api.http.own_desk import OwnDesk
from postroom_api.http.pages import SEE_OTHER, Form, Of, Req, Who, page
from postroom_api.http.problems import ProblemError, invalid
from postroom_api.http.system import SystemDesk
from postroom_api.http.trial_mails import address_of as address_of_box
from postroom_api.http.trial_mails import way_of
from postroom_api.http.trials import Trials
from postroom_api.ports import TakenError

Own = NamedDependency[OwnDesk]
At = NamedDependency[SystemDesk]
Try = NamedDependency[Trials]
Read = NamedDependency[Desk]
FOR_THE_FORM: Final = {409, 422, 429}
SHOWN: Final = 10
"""Mailboxes that one may go on with instead of making one."""
NEWEST: Final = 5
UNPROCESSABLE: Final = 422


class YouForm(msgspec.Struct):
    """The first step: a name, a language, and perhaps a password of one's own."""

    name: str = ""
    locale: str = ""
    current: str = ""
    password: str = ""
    again: str = ""


class MailboxForm(msgspec.Struct):
    """The second step: an address, and how its mail comes here."""

    address: str = ""
    how: str = "smtp"


async def _you(
    request: Req, who: Principal, own: OwnDesk, form: YouForm, error: ProblemError | None = None
) -> Response[str]:
    me = await own.me(who)
    status = error.status if error else 200
    words = error.detail if error else None
    return page(request, "setup_you.html", status, me=me, form=form, error=words)


@get("/setup", include_in_schema=False)
async def you_page(request: Req, who: Who, own: Own) -> Response[str]:
    require_administrator(who)
    return await _you(request, who, own, YouForm(name=who.name, locale=who.locale))


@post("/setup", include_in_schema=False)
async def you(request: Req, who: Who, own: Own, data: Annotated[YouForm, Form]) -> Response[Any]:
    require_administrator(who)
    try:
        if data.password != data.again:
            raise invalid("again", "differs", "The two passwords differ: type it twice the same.")
        if data.password:
            await own.change_password(who, data.current, data.password)
        await own.change_profile(who, data.name, data.locale)
    except ProblemError as error:
        if error.status not in FOR_THE_FORM:
            raise
        return await _you(request, who, own, data, error)
    return Redirect("/setup/mailbox", status_code=SEE_OTHER)


async def _mailbox(
    request: Req,
    who: Principal,
    office: Office,
    system: SystemDesk,
    form: MailboxForm,
    error: str | None = None,
) -> Response[str]:
    boxes = await office.grid(who, GridQuery(), None, SHOWN)
    host, port = system.door()
    return page(
        request, "setup_mailbox.html", UNPROCESSABLE if error else 200,
        boxes=[one for one in boxes.data if not one.forum], form=form, error=error, host=host,
        port=port,
    )  # fmt: skip


@get("/setup/mailbox", include_in_schema=False)
async def mailbox_page(request: Req, who: Who, office: Of, system: At) -> Response[str]:
    require_administrator(who)
    return await _mailbox(request, who, office, system, MailboxForm())


@post("/setup/mailbox", include_in_schema=False)
async def mailbox(
    request: Req, who: Who, office: Of, system: At, data: Annotated[MailboxForm, Form]
) -> Response[Any]:
    require_administrator(who)
    try:
        address = address_of("address", data.address)
        if data.how != "smtp":
            query = {"address": address, "then": "setup"} | (
                {"type": "pop3"} if data.how == "pop3" else {}
            )
            return Redirect(f"/mailboxes/new?{urlencode(query)}", status_code=SEE_OTHER)
        made = await office.add_mailbox(who, _taking(address))
    except (ProblemError, TakenError) as error:
        if isinstance(error, ProblemError) and error.status not in FOR_THE_FORM:
            raise
        return await _mailbox(request, who, office, system, data, str(error))
    return Redirect(f"/setup/arrival/{made.id}", status_code=SEE_OTHER)


def _taking(address: str) -> MailboxSettings:
    local = address.partition("@")[0]
    return MailboxSettings(
        name=local[:1].upper() + local[1:],
        source=Source(type="smtp", addresses=[address]),
    )


@get("/setup/arrival/{mailbox:str}", include_in_schema=False)
async def arrival_page(
    request: Req,
    who: Who,
    office: Of,
    system: At,
    trials: Try,
    desk: Read,
    mailbox: str,
    operation: Annotated[str, QueryParameter(name="operation")] = "",
    receiving: Annotated[str, QueryParameter(name="receiving", max_length=50)] = "",
) -> Response[str]:
    require_administrator(who)
    box = await office.mailbox(who, mailbox)
    found = await trials.operation(who, operation) if operation else None
    address = address_of_box(box)
    host, port = system.door()
    return page(
        request,
        "setup_arrival.html",
        box=box,
        address=address.canonical if address else "",
        operation=found,
        way=way_of(found) if found else None,
        receiving=receiving,
        sendable=address is not None and (box.source.type == "smtp" or system.relay),
        newest=(await desk.messages(who, None, NEWEST, mailbox=box.id)).data,
        host=host,
        port=port,
    )


@post("/setup/arrival/{mailbox:str}", include_in_schema=False)
async def send(who: Who, trials: Try, mailbox: str) -> Redirect:
    require_administrator(who)
    begun = await trials.mails.begin(who, mailbox)
    where = f"/setup/arrival/{mailbox}?operation={begun.id}"
    return Redirect(where, status_code=SEE_OTHER)


@post("/setup/arrival/{mailbox:str}/receive", include_in_schema=False)
async def receive(who: Who, office: Of, mailbox: str) -> Redirect:
    known = (await office.mailbox(who, mailbox)).checked
    await office.receive_now(who, mailbox)
    where = f"/setup/arrival/{mailbox}?{urlencode({'receiving': known})}"
    return Redirect(where, status_code=SEE_OTHER)


@post("/setup/done", include_in_schema=False)
async def done(who: Who, system: At) -> Redirect:
    await system.begin(who)
    return Redirect("/", status_code=SEE_OTHER)


def router() -> Router:
    """Return the pages."""
    handlers: list[Any] = [
        you_page, you, mailbox_page, mailbox, arrival_page, send, receive, done,
    ]  # fmt: skip
    return Router("/", route_handlers=handlers)
