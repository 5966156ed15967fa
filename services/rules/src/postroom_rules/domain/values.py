"""What a condition compares: the values of a field, read from the facts once a mail.

`captures` are the groups of the regex that matched last; `places` fills them, and a few fields,
into the texts of actions.
"""

import re
from collections.abc import Callable, Sequence
from typing import Final

from postroom_contract.rules import Action, AddTag, Field, MoveOnServer, Part, Reject, Test
from postroom_mail.address import split_detail
from postroom_rules.domain.facts import Facts

ADDRESSES: Final[frozenset[Field]] = frozenset(
    {"from", "to", "cc", "bcc", "reply_to", "sender", "envelope_from", "envelope_to"}
)
"""Fields of which a part can be asked for."""
NUMBERS: Final = frozenset({"size", "attachment_count", "attachment_size", "spam_rating"})
"""Fields that are compared by number."""
SHOWN: Final = 200
"""Characters of a value, and values of a field, that a trace shows."""
WEEKDAYS: Final = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
_PLACE: Final = re.compile(r"\{([1-9]|subject|from|to|list_id)\}")
_MESSAGE_LENGTH: Final = 512 * 1024


Key = tuple[str, str, str]
"""What a comparison looks at: field, the header's name in lower case or nothing, and part."""
SPAM_RATING: Final[Key] = ("spam_rating", "", "whole")
"""Its value changes while the rules of a mail are tried."""


def key_of(test: Test) -> Key:
    """Return what a comparison looks at."""
    if test.field == "spam_rating":
        return SPAM_RATING
    return (test.field, (test.header or "").lower(), test.part)


def has_places(action: Action) -> bool:
    """Whether a text of an action may have places to fill."""
    match action:
        case AddTag(text) | MoveOnServer(text) | Reject(text):
            return "{" in text
        case _:
            return False


class Text:
    """A value as it is (`plain`), as it is compared, and as RE2 wants it; made when asked for."""

    __slots__ = ("_folded", "_octets", "plain")

    def __init__(self, plain: str) -> None:
        self.plain = plain
        self._folded: str | None = None
        self._octets: bytes | None = None

    @property
    def folded(self) -> str:
        """Without the difference of upper and lower case."""
        if self._folded is None:
            self._folded = self.plain.casefold()
        return self._folded

    @property
    def octets(self) -> bytes:
        """As UTF-8; ValueError where it cannot be written so."""
        if self._octets is None:
            self._octets = self.plain.encode()
        return self._octets


class Values:
    """The values of one mail."""

    def __init__(self, facts: Facts) -> None:
        self.facts = facts
        self.spam_rating: int | None = None
        """As it is by now: rules change it."""
        self.captures: tuple[str, ...] = ()
        self._kept: dict[Key, tuple[Text, ...]] = {}
        self._shown: dict[Key, str] = {}
        self._by_name: dict[str, list[str]] | None = None

    def of(self, test: Test) -> tuple[Text, ...]:
        """Return what a test looks at; empty where the mail has nothing of it."""
        return self.at(key_of(test))

    def at(self, key: Key) -> tuple[Text, ...]:
        """Return the values under a key."""
        found = self._kept.get(key)
        if found is None:
            if key == SPAM_RATING:
                return () if self.spam_rating is None else (Text(str(self.spam_rating)),)
            found = self._kept[key] = tuple(map(Text, self._read(*key)))
        return found

    def shown(self, key: Key) -> str:
        """Return what a trace says of the values under a key: all of them, cut."""
        shown = self._shown.get(key)
        if shown is None:
            if key == SPAM_RATING:
                return "" if self.spam_rating is None else str(self.spam_rating)
            texts = [one.plain for one in self.at(key)[:SHOWN]]
            shown = self._shown[key] = ", ".join(texts)[:SHOWN]
        return shown

    def filled(self, text: str) -> str:
        """Return the text of an action with its places filled; the value of none is empty."""
        return _PLACE.sub(self._place, text) if "{" in text else text

    def _place(self, found: re.Match[str]) -> str:
        name = found[1]
        if name.isdigit():
            number = int(name)
            return self.captures[number - 1] if number <= len(self.captures) else ""
        field: Field = {"from": "from", "to": "envelope_to", "list_id": "list_id"}.get(
            name, "subject"
        )  # type: ignore[assignment]  # mypy sees str
        return next((one.plain for one in self.of(Test(field=field, operator="exists"))), "")

    def _read(self, field: str, header: str, part: str) -> Sequence[str]:
        if field == "header":
            return self._headers().get(header, ())
        found = _FIELDS[field](self.facts)
        return found if part == "whole" else _parts(found, part)

    def _headers(self) -> dict[str, list[str]]:
        """Return all headers by their lower-case names; rules ask for many."""
        if self._by_name is None:
            self._by_name = {}
            for name, value in self.facts.headers:
                self._by_name.setdefault(name.lower(), []).append(value)
        return self._by_name


def _parts(faces: Sequence[str], part: str) -> list[str]:
    """Return a part of each address; a face with a name repeats its address, and is left out."""
    found = []
    for one in faces:
        local, at, domain = one.rpartition("@")
        if not at or "<" in one:
            continue
        base, detail = split_detail(local)
        wanted: dict[Part, str] = {
            "address": one, "domain": domain, "local": base, "detail": detail or "",
        }  # fmt: skip
        if value := wanted.get(part, ""):  # type: ignore[call-overload]  # part is one of Part
            found.append(value)
    return found


def _yes_or_no(known: bool | None) -> Sequence[str]:
    return () if known is None else ("yes",) if known else ("no",)


def _dkim(facts: Facts) -> str:
    """Return what the best signature is worth."""
    results = [one.result for one in facts.authentication.dkim]
    return "pass" if "pass" in results else next(iter(results), "none")


def _message(facts: Facts) -> str:
    header = "\n".join(f"{name}: {value}" for name, value in facts.headers)
    return f"{header}\n\n{facts.body}"[:_MESSAGE_LENGTH]


def _list_id(facts: Facts) -> Sequence[str]:
    """Return what stands in the brackets of List-Id, else all of it (RFC 2919 §3)."""
    found = [value for name, value in facts.headers if name.lower() == "list-id"]
    return [one.rpartition("<")[2].partition(">")[0].strip() or one for one in found]


_FIELDS: Final[dict[str, Callable[[Facts], Sequence[str]]]] = {
    "from": lambda facts: facts.senders,
    "to": lambda facts: facts.recipients,
    "cc": lambda facts: facts.cc,
    "bcc": lambda facts: facts.bcc,
    "reply_to": lambda facts: facts.reply_to,
    "sender": lambda facts: facts.sender,
    "envelope_from": lambda facts: (facts.envelope_from,) if facts.envelope_from else (),
    "envelope_to": lambda facts: (facts.envelope_to,),
    "subject": lambda facts: (facts.subject,),
    "body": lambda facts: (facts.body,),
    "message": lambda facts: (_message(facts),),
    "size": lambda facts: (str(facts.size),),
    "attachment": lambda facts: facts.attachments,
    "attachment_name": lambda facts: [one.name for one in facts.files if one.name],
    "attachment_type": lambda facts: [one.media_type for one in facts.files],
    "attachment_count": lambda facts: (str(len(facts.files)),),
    "attachment_size": lambda facts: [str(one.size) for one in facts.files],
    "list_id": _list_id,
    "robot": lambda facts: ("yes" if facts.robot_signs else "no",),
    "member": lambda facts: _yes_or_no(facts.forums.member if facts.forums else None),
    "known_thread": lambda facts: _yes_or_no(facts.forums.known_thread if facts.forums else None),
    "weekday": lambda facts: (WEEKDAYS[facts.received.weekday()],),
    "time": lambda facts: (f"{facts.received:%H:%M}",),
    "date": lambda facts: (f"{facts.received:%Y-%m-%d}",),
    "spf": lambda facts: (facts.authentication.spf,),
    "dkim": lambda facts: (_dkim(facts),),
    "dmarc": lambda facts: (facts.authentication.dmarc,),
    "arc": lambda facts: (facts.authentication.arc,),
}
