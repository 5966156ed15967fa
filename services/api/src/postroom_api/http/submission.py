"""Passwords for mail programs that send through us, as API and pages see them.

Law: a password is shown once, to whom it belongs; what is kept is its hash.
"""

import hashlib
import secrets
from typing import Final

import msgspec

from postroom_api.domain.values import Principal
from postroom_api.http.problems import ProblemError, invalid, not_found
from postroom_api.http.system import SystemDesk
from postroom_api.ports import Publisher
from postroom_api.postgres.submission_passwords import SubmissionPassword, SubmissionPasswords
from postroom_mail.text import one_line
from postroom_runtime.clock import Clock

PREFIX: Final = "prs_"
LIVE_SECONDS: Final = 3.0


class NewSubmissionPassword(msgspec.Struct, frozen=True, kw_only=True):
    """A new password, which is never shown again, and what a mail program needs beside it."""

    password: SubmissionPassword
    secret: str
    login: str
    host: str
    """The SMTP server's name as it says itself; empty when it does not run."""
    port: int


class Submission:
    """Makes and takes away one's own passwords; they work on return, or soon after."""

    def __init__(
        self, rows: SubmissionPasswords, system: SystemDesk, clock: Clock, publisher: Publisher
    ) -> None:
        self._rows = rows
        self._system = system
        self._clock = clock
        self._publisher = publisher

    async def own(self, who: Principal) -> list[SubmissionPassword]:
        """Return one's own."""
        return await self._rows.own(who)

    async def add(self, who: Principal, name: str) -> NewSubmissionPassword:
        """Draw one."""
        name = one_line(name).strip()
        if not name:
            raise invalid("name", "empty", "Say which program it is for.")
        secret = PREFIX + secrets.token_urlsafe(32)
        hashed = hashlib.sha256(secret.encode()).hexdigest()
        made = await self._rows.add(who, self._clock.new_id("spw"), name, hashed)
        if made is None:
            raise ProblemError(409, "limit", "You have twenty of them: take one away first.")
        await self._publisher.settled(LIVE_SECONDS)
        host, port = self._system.door()
        return NewSubmissionPassword(
            password=made,
            secret=secret,
            login=who.email,
            host=host,
            port=int(port) if port.isdigit() else 0,
        )

    async def remove(self, who: Principal, password: str) -> None:
        """Take one away; whoever uses it is out at their next sign-in."""
        if not await self._rows.remove(who, password):
            raise not_found("submission password")
        await self._publisher.settled(LIVE_SECONDS)
