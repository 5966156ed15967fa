"""Hands what Postroom itself writes to the smtp service."""

from postroom_api.domain.letters import Letter, rendered, sending
from postroom_contract import commands, subjects
from postroom_contract.codec import encode
from postroom_runtime.bus import Bus
from postroom_runtime.messages import Publication


class Letters:
    """Publishes a letter and the command to send it; both may be repeated."""

    def __init__(self, bus: Bus, base_url: str) -> None:
        self._bus = bus
        self.base_url = base_url

    async def send(self, letter: Letter) -> None:
        """Return when the broker has it; UnavailableError otherwise."""
        mail, chunk = rendered(letter, self.base_url), sending(letter)
        where = subjects.outbox(letter.account, mail.id)
        await self._bus.publish(Publication(where, encode(mail), mail.id))
        await self._bus.publish(Publication(commands.subject_of(chunk), encode(chunk), chunk.id))
