"""How an account's mail is rated: what may be set, and what is wrong with it."""

import re
from collections.abc import Iterator, Sequence
from typing import Annotated, Final, Literal

import msgspec

from postroom_mail.address import AddressError, parse_address

MAX_ENTRIES: Final = 2_000
"""Of each list: the document has to stay below 256 KB."""
MAX_HEADERS: Final = 20
_HEADER: Final = re.compile(r"[!-9;-~]{1,70}")
"""RFC 5322 §2.2: printable ASCII without the colon."""
ListName = Literal["allowed", "blocked"]
Rating = Annotated[int, msgspec.Meta(ge=0, le=100)]


class SpamSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What is said of ratings; 0 = never by itself."""

    mark_at: Rating = 90
    """From this rating on a mail is spam unless a rule says otherwise."""
    quarantine_at: Rating = 0
    """From this rating on a mail is kept apart."""
    quarantine_days: Annotated[int, msgspec.Meta(ge=1, le=365)] = 30
    """… for so many days, and deleted then."""
    trusted_headers: list[str] = []
    """Header fields that the own mail servers write, as `X-Spam-Status`."""
    allowed: list[str] = []
    """Addresses, and domains with all below them, that are never spam."""
    blocked: list[str] = []
    """… and that always are."""


class SpamFilter(SpamSettings, frozen=True, kw_only=True):
    """The settings in force, and what the filter has learnt."""

    learnt_spam: int
    learnt_ham: int
    in_quarantine: int
    version: int


def canonical_entry(text: str) -> str:
    """Return an address or domain as the lists hold it; AddressError says what is wrong."""
    text = text.strip().removeprefix("@")
    if "@" in text:
        return parse_address(text).canonical.casefold()
    return parse_address(f"anybody@{text}").canonical.partition("@")[2].casefold()


def settled(settings: SpamSettings) -> SpamSettings:
    """Return the settings as they are kept: entries canonical, each once, in order."""
    return msgspec.structs.replace(
        settings,
        trusted_headers=list(dict.fromkeys(one.strip() for one in settings.trusted_headers)),
        allowed=sorted({canonical_entry(one) for one in settings.allowed}),
        blocked=sorted({canonical_entry(one) for one in settings.blocked}),
    )


def problems(settings: SpamSettings) -> Iterator[tuple[str, str]]:
    """Say what is wrong: (JSON pointer, sentence)."""
    if len(settings.trusted_headers) > MAX_HEADERS:
        yield "/trusted_headers", f"there can be at most {MAX_HEADERS} header fields"
    for index, name in enumerate(settings.trusted_headers):
        if not _HEADER.fullmatch(name.strip()):
            yield f"/trusted_headers/{index}", f"{name!r} is no name of a header field"
    if 0 < settings.quarantine_at < settings.mark_at:
        yield "/quarantine_at", "what is kept apart should be spam: at least as much as mark_at"
    yield from _list_problems("allowed", settings.allowed)
    yield from _list_problems("blocked", settings.blocked)


def _list_problems(name: ListName, entries: Sequence[str]) -> Iterator[tuple[str, str]]:
    if len(entries) > MAX_ENTRIES:
        yield f"/{name}", f"there can be at most {MAX_ENTRIES:,} entries"
        return
    for index, entry in enumerate(entries):
        try:
            canonical_entry(entry)
        except AddressError as error:
            yield f"/{name}/{index}", f"{entry!r} is neither address nor domain: {error}"
