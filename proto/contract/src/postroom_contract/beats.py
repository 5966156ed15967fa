"""What each process says of itself every few seconds, on a core subject that nothing keeps."""

from datetime import datetime
from typing import Literal

import msgspec


class SettingInForce(msgspec.Struct, frozen=True, kw_only=True):
    """One setting, its value (never a secret's) and where it comes from."""

    name: str
    value: str
    origin: Literal["environment", "file", "default"]


class Peer(msgspec.Struct, frozen=True, kw_only=True):
    """Somebody who is connected to us."""

    address: str
    name: str
    """What they call themselves."""
    since: datetime
    state: str
    tls: str = ""
    submitter: str = ""
    mails: int = 0
    """That we took from them in this session."""


class Beat(msgspec.Struct, frozen=True, kw_only=True):
    """A sign of life. On `beat.<service>`."""

    service: str
    instance: str
    """Host and process id: tells replicas apart."""
    version: str
    started_at: datetime
    reasons: dict[str, str]
    """Why it is not ready, by check; empty = ready."""
    settings: tuple[SettingInForce, ...]
    numbers: dict[str, int] = {}
    """What it has counted since its start, by name; `connections` is a number of now."""
    peers: tuple[Peer, ...] = ()
    """Who is connected, the longest first, at most 50."""
