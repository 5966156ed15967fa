"""MTA-STS (RFC 8461): what a domain publishes about the servers that its mail may be given to."""

import re
from collections.abc import Sequence
from typing import Final, Literal, cast, get_args

import msgspec

Mode = Literal["enforce", "testing", "none"]
LONGEST: Final = 31_557_600
"""Seconds that a policy may hold (§3.2)."""
_ID: Final = re.compile(r"[A-Za-z0-9]{1,32}")
_PATTERN: Final = re.compile(r"(?:\*\.)?[a-z0-9](?:[a-z0-9.-]{0,250}[a-z0-9])?")
_MOST: Final = 100
"""Patterns that are read."""


class Policy(msgspec.Struct, frozen=True):
    """What holds for a domain, for so many seconds."""

    mode: Mode
    max_age: int
    mx: tuple[str, ...]

    def allows(self, host: str) -> bool:
        """Return whether a server is one of the domain's; `*` stands for one label (§4.1)."""
        name = host.lower().rstrip(".")
        wild = "*." + name.partition(".")[2]
        return any(pattern in {name, wild} for pattern in self.mx)


def id_of(texts: Sequence[bytes]) -> str | None:
    """Return the id in the record of `_mta-sts.<domain>`; None: no record, or several (§3.1)."""
    records = [one for one in texts if re.match(rb"v=STSv1[ \t]*;", one)]
    if len(records) != 1:
        return None
    fields = records[0].decode("ascii", "replace").split(";")
    for key, _, value in (one.partition("=") for one in fields[1:]):
        if key.strip() == "id":
            return value.strip() if _ID.fullmatch(value.strip()) else None
    return None


def read_policy(text: str) -> Policy:
    """Return the policy in a file (§3.2); ValueError says what is wrong with it."""
    fields: dict[str, list[str]] = {}
    for line in text.splitlines():
        key, colon, value = line.partition(":")
        if colon:
            fields.setdefault(key.strip(), []).append(value.strip())
    if fields.get("version") != ["STSv1"]:
        raise ValueError("the policy is not of version STSv1")
    mode, ages = fields.get("mode", [""])[0], fields.get("max_age", [""])
    if mode not in get_args(Mode):
        raise ValueError(f"the policy's mode {mode[:20]!r} is none")
    if not re.fullmatch(r"[0-9]{1,10}", ages[0]):
        raise ValueError("the policy does not say how long it holds")
    patterns = tuple(one.lower().rstrip(".") for one in fields.get("mx", ())[:_MOST])
    if not all(map(_PATTERN.fullmatch, patterns)):
        raise ValueError("the policy names a server that is none")
    if not patterns and mode != "none":
        raise ValueError("the policy names no server")
    return Policy(cast("Mode", mode), min(int(ages[0]), LONGEST), patterns)
