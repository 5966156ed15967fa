"""The SMTP server, as an administrator sees it, and whom it has turned away."""

from datetime import datetime

import msgspec

from postroom_contract.beats import Peer


class RefusalRow(msgspec.Struct, frozen=True, kw_only=True):
    """Something that the SMTP server turned away, or several of a network in a minute."""

    id: str
    at: datetime
    network: str
    reason: str
    reply: str
    count: int
    helo: str
    sender: str
    recipient: str


class SmtpProcess(msgspec.Struct, frozen=True, kw_only=True):
    """One process of the SMTP server."""

    instance: str
    started_at: datetime
    ready: bool
    sessions: int


class SmtpServer(msgspec.Struct, frozen=True, kw_only=True):
    """The SMTP server, all its processes together, as they last said of themselves."""

    open: bool
    changed_at: datetime | None
    changed_by: str
    processes: list[SmtpProcess]
    numbers: dict[str, int]
    """Since the start of each process, by name: `accepted`, `refused …`, `deferred …`, `sent …`."""
    peers: list[Peer]
    """Who is connected, the longest first, at most 50."""
    waiting: int | None
    """Commands to send that nobody has taken up yet; null: the broker does not say."""

    def numbers_of(self, kind: str) -> list[tuple[str, int]]:
        """Return reason or outcome and number, most first: `refused`, `deferred` or `sent`."""
        found = [
            (name.removeprefix(f"{kind} "), number)
            for name, number in self.numbers.items()
            if name.startswith(f"{kind} ")
        ]
        return sorted(found, key=lambda one: -one[1])
