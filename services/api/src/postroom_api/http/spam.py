"""How mail is rated, as API and pages see it."""

from typing import Final

import msgspec

from postroom_api.domain.spam_settings import (
    MAX_ENTRIES,
    ListName,
    SpamFilter,
    SpamSettings,
    canonical_entry,
    problems,
    settled,
)
from postroom_api.domain.values import Principal
from postroom_api.http.entries import refuse, require_administrator
from postroom_api.http.problems import ProblemError, invalid
from postroom_api.http.versions import expect
from postroom_api.ports import Publisher
from postroom_api.postgres.spam_filter import SpamFilterRows
from postroom_mail.address import AddressError

LIVE_SECONDS: Final = 3.0


class SpamDesk:
    """What those who manage an account say of ratings; it holds on return, or soon after."""

    def __init__(self, rows: SpamFilterRows, publisher: Publisher) -> None:
        self._rows = rows
        self._publisher = publisher

    async def read(self, who: Principal) -> SpamFilter:
        """Return the settings in force and what was learnt."""
        require_administrator(who)
        return await self._rows.read(who)

    async def change(
        self, who: Principal, settings: SpamSettings, if_match: str | None = None
    ) -> SpamFilter:
        """Replace the settings; 422 names what is wrong."""
        before = await self.read(who)
        expect(before.version, if_match)
        refuse("spam filter", problems(settings))
        changed = await self._rows.write(who, settled(settings), before.version)
        await self._publisher.settled(LIVE_SECONDS)
        return changed

    async def list_sender(self, who: Principal, which: ListName, entry: str) -> SpamFilter:
        """Put an address or domain on a list, and off the other one."""
        require_administrator(who)
        try:
            wanted = canonical_entry(entry)
        except AddressError as error:
            words = f"{entry!r} is neither address nor domain: {error}"
            raise invalid("entry", "bad_address", words) from error
        changed = await self._rows.list_sender(who, which, wanted, MAX_ENTRIES)
        if changed is None:
            raise ProblemError(409, "conflict", f"The list is full: {MAX_ENTRIES:,} entries.")
        await self._publisher.settled(LIVE_SECONDS)
        return changed


def settings_of(found: SpamFilter) -> SpamSettings:
    """Return the settings alone."""
    plain = msgspec.to_builtins(found)
    return msgspec.convert(
        {name: plain[name] for name in SpamSettings.__struct_fields__}, SpamSettings
    )
