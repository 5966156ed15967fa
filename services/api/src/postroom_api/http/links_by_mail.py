"""One-time links sent by mail to whom they are for.

Law: only when whoever makes the link asks for it, and only to the address that stands with the
person: a link in a wrong hand opens what is theirs.
"""

from postroom_api.domain.letters import Letter
from postroom_api.domain.links_by_mail import SUBJECTS, Kind, text_of
from postroom_api.domain.values import Principal
from postroom_api.letters import Letters
from postroom_mail.address import parse_address
from postroom_mail.text import one_line
from postroom_runtime.clock import Clock


class LinksByMail:
    """Writes the letters."""

    def __init__(self, letters: Letters, clock: Clock) -> None:
        self._letters = letters
        self._clock = clock

    @property
    def base_url(self) -> str:
        """How links begin."""
        return self._letters.base_url

    async def send(self, who: Principal, kind: Kind, email: str, name: str, url: str) -> None:
        """Return when the letter is stored to be sent; UnavailableError otherwise."""
        by, known_as = one_line(who.name, 100), one_line(name, 100)
        await self._letters.send(
            Letter(
                id=self._clock.new_id("ntc"),
                account=who.account,
                scope="-",
                to=parse_address(email),
                subject=SUBJECTS[kind],
                text=text_of(kind, by, known_as, url),
                written_at=self._clock.now(),
            )
        )
