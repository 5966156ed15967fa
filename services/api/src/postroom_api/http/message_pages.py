"""The pages of the message log: searched, and marked by hand."""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, Final, cast, get_args
from urllib.parse import parse_qsl, urlencode

import msgspec
from litestar import Response, Router, get, post
from litestar.di import NamedDependency
from litestar.response import Redirect

from postroom_api.domain.message_search import Mark, MessageQuery
from postroom_api.http.desk import Desk
from postroom_api.http.pages import PAGE, SEE_OTHER, Cursor, Of, Req, Who, page
from postroom_api.http.problems import not_found
from postroom_contract.rules import Importance

At = NamedDependency[Desk]
MARKS: Final[tuple[Mark, ...]] = get_args(Mark)
_CHOICES: Final = {"yes": True, "no": False}


class MessageForm(msgspec.Struct):
    """The search as the form has it; what is not understood is as if it were left out."""

    search: str = ""
    sender: str = ""
    recipient: str = ""
    spam: str = ""
    read: str = ""
    importance: str = ""
    tag: str = ""
    since: str = ""
    until: str = ""
    mailbox: str = ""
    deleted: str = ""
    quarantine: str = ""

    @classmethod
    def of(cls, fields: Mapping[str, str]) -> "MessageForm":
        """Return the form from a page's query."""
        known = set(cls.__struct_fields__)
        return cls(**{name: value[:200] for name, value in fields.items() if name in known})

    @property
    def narrow(self) -> bool:
        """Whether anything is looked for."""
        return self.query().narrow

    def query(self) -> MessageQuery:
        """Return what is wanted; the day of `until` is included."""
        return MessageQuery(
            search=self.search,
            mailbox=self.mailbox,
            sender=self.sender.strip(),
            recipient=self.recipient.strip(),
            spam=_CHOICES.get(self.spam),
            read=_CHOICES.get(self.read),
            importance=cast("Importance", self.importance)
            if self.importance in get_args(Importance)
            else None,
            tag=self.tag.strip(),
            since=_day(self.since),
            until=_day(self.until, after=1),
            deleted=self.deleted == "true",
            quarantine=self.quarantine == "true",
        )

    def encoded(self) -> str:
        """Return it as a query, without what is empty."""
        plain = msgspec.to_builtins(self)
        return urlencode({name: value for name, value in plain.items() if value})


def _number(text: str) -> int:
    return int(text) if text.isdecimal() and len(text) < 9 else 0  # noqa: PLR2004 - what somebody typed


def _day(text: str, after: int = 0) -> datetime | None:
    """Return the beginning of a day, or of one so many days after it; None for what is none."""
    try:
        return datetime.strptime(text, "%Y-%m-%d").replace(tzinfo=UTC) + timedelta(days=after)
    except (ValueError, OverflowError):
        return None


@get("/messages", include_in_schema=False)
async def messages_page(
    request: Req, who: Who, desk: At, office: Of, cursor: Cursor = None
) -> Response[str]:
    form = MessageForm.of({name: str(value) for name, value in request.query_params.items()})
    box = await office.mailbox(who, form.mailbox) if form.mailbox else None
    found = await desk.search(who, form.query(), cursor, PAGE)
    return page(
        request, "messages.html", page=found, form=form, box=box, query=form.encoded(),
        deleted=form.deleted == "true", quarantine=form.quarantine == "true",
        marked=_number(str(request.query_params.get("marked", ""))),
    )  # fmt: skip


@post("/messages/marks", include_in_schema=False)
async def mark_messages(request: Req, who: Who, desk: At) -> Redirect:
    fields = await request.form()
    query = str(fields.get("query", ""))
    form = MessageForm.of(dict(parse_qsl(query)))
    mark, tag, teach = str(fields.get("mark", "")), str(fields.get("tag", "")), "teach" in fields
    messages = [str(one) for one in fields.getall("message", [])]
    marked = 0
    if mark in MARKS and fields.get("which") == "matching":
        marked = await desk.mark_matching(who, form.query(), mark, tag, teach=teach)
    elif mark in MARKS and messages:
        marked = len(await desk.mark(who, messages, mark, tag, teach=teach))
    told = {"marked": marked} if marked else {}
    back = "&".join(one for one in (form.encoded(), urlencode(told)) if one)
    return Redirect(f"/messages?{back}", status_code=SEE_OTHER)


@post("/messages/{message:str}/mark", include_in_schema=False)
async def mark_message(request: Req, who: Who, desk: At, message: str) -> Redirect:
    """Mark one mail, from its own page; the filter learns it."""
    mark = str((await request.form()).get("mark", ""))
    if mark not in MARKS or not await desk.mark(who, [message], mark, teach=True):
        raise not_found("message")
    return Redirect(f"/messages/{message}", status_code=SEE_OTHER)


def router() -> Router:
    """Return the routes."""
    handlers: list[Any] = [messages_page, mark_messages, mark_message]
    return Router("", route_handlers=handlers)
