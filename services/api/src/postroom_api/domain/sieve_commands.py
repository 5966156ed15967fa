"""What commands of Sieve become: actions; and what stands behind a command, sorted."""

import re
from collections.abc import Callable, Iterator, Sequence
from typing import Final

import msgspec

from postroom_api.domain.rules_elsewhere import CannotError
from postroom_api.domain.sieve import Argument, Call, Tag
from postroom_contract.rules import (
    Action,
    AddTag,
    AutoReply,
    Forward,
    MarkRead,
    MoveOnServer,
    Reject,
    SetImportance,
    Stop,
)

DAY: Final = 86_400
_PLACES: Final = re.compile(r"\{(?:[1-9]|subject|from|to|list_id)\}")
"""What texts of our actions would fill in."""
_VALUED: Final = {
    "comparator", "days", "seconds", "subject", "from", "addresses", "handle", "flags",
    "specialuse", "mailboxid",
}  # fmt: skip
"""Tags that take the argument behind them."""


class Arguments(msgspec.Struct, frozen=True):
    """What stands behind a command, sorted: tags (with their values), and the rest in order."""

    tags: dict[str, Argument | None]
    plain: list[Argument]

    def strings(self, number: int) -> list[str]:
        """Return the string list at a place; CannotError where there is none."""
        if number >= len(self.plain) or not isinstance(found := self.plain[number], list):
            raise CannotError("(a text is missing)")
        return found

    def text(self, number: int = 0) -> str:
        """Return the one text at a place."""
        found = self.strings(number)
        if len(found) != 1:
            raise CannotError("(one text should stand there)")
        return found[0]

    def value(self, tag: str) -> list[str]:
        """Return the string list behind a tag; empty without the tag."""
        found = self.tags.get(tag)
        return found if isinstance(found, list) else []

    def only(self, *known: str) -> None:
        """CannotError names a tag that is not among these."""
        unknown = sorted(set(self.tags) - set(known))
        if unknown:
            raise CannotError(f"with :{unknown[0]}")


def arguments_of(call: Call) -> Arguments:
    """Return what stands behind a command or a test."""
    tags, plain = dict[str, Argument | None](), list[Argument]()
    waiting = ""
    for one in call.arguments:
        if waiting:
            tags[waiting] = one
            waiting = ""
        elif isinstance(one, Tag):
            tags[one.name] = None
            waiting = one.name if one.name in _VALUED else ""
        else:
            plain.append(one)
    return Arguments(tags, plain)


def keeps(call: Call) -> bool:
    """Return whether a command keeps the mail where it is."""
    folders = [one for one in call.arguments if isinstance(one, list)]
    inbox = call.name == "fileinto" and [[*map(str.upper, one)] for one in folders[-1:]] == [
        ["INBOX"]
    ]
    return call.name == "keep" or inbox


def _flags(flags: Sequence[str]) -> Iterator[Action]:
    for flag in [one for text in flags for one in text.split()]:
        match flag.lower():
            case "\\seen":
                yield MarkRead()
            case "\\flagged":
                yield SetImportance("high")
            case plain if not plain.startswith("\\"):
                yield AddTag(flag)
            case _:
                raise CannotError(f"with {flag}")


def _add_flag(said: Arguments) -> Iterator[Action]:
    said.only()
    if len(said.plain) != 1:
        raise CannotError("in a variable")
    yield from _flags(said.strings(0))


def _file_into(said: Arguments) -> Iterator[Action]:
    said.only("create", "flags", "specialuse")
    yield from _flags(said.value("flags"))
    folder = said.text()
    if _PLACES.search(folder):
        raise CannotError("with a place that we would fill in")
    if use := said.value("specialuse"):
        yield MoveOnServer(use[0])
    elif folder.upper() != "INBOX":
        yield MoveOnServer(folder)


def _keep(said: Arguments) -> Iterator[Action]:
    said.only("flags")
    yield from _flags(said.value("flags"))


def _discard(said: Arguments) -> Iterator[Action]:
    said.only()
    yield from ()


def _redirect(said: Arguments) -> Iterator[Action]:
    said.only("copy")
    yield Forward(said.text())


def _reject(said: Arguments) -> Iterator[Action]:
    said.only()
    yield Reject(" ".join(said.text().split()))


def _stop(said: Arguments) -> Iterator[Action]:
    said.only()
    yield Stop()


def _vacation(said: Arguments) -> Iterator[Action]:
    said.only("days", "seconds", "subject", "from", "addresses", "handle")
    days = said.tags.get("days", 7)
    seconds = said.tags.get("seconds")
    if isinstance(seconds, int):
        if seconds % DAY:
            raise CannotError(f"each {seconds} seconds")
        days = seconds // DAY
    if not isinstance(days, int) or not 1 <= days <= 365:  # noqa: PLR2004 - the contract's
        raise CannotError("in so many days")
    subject = (said.value("subject") or ["Re: {subject}"])[0]
    text = said.text()
    if _PLACES.search(text) or (said.value("subject") and _PLACES.search(subject)):
        raise CannotError("with a place that we would fill in")
    yield AutoReply(text.replace("\r\n", "\n"), subject, days)


COMMANDS: Final[dict[str, Callable[[Arguments], Iterator[Action]]]] = {
    "addflag": _add_flag, "setflag": _add_flag, "fileinto": _file_into, "keep": _keep,
    "discard": _discard, "redirect": _redirect, "reject": _reject, "ereject": _reject,
    "stop": _stop, "vacation": _vacation,
}  # fmt: skip
