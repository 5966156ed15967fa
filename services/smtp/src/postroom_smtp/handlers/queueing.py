"""What waits for its time, taken in hand: tried now, or given up.

Law: only what the broker still holds back is touched. What is being tried goes its way, and is
reported as always; so a command that comes late does nothing.
"""

import msgspec
import structlog

from postroom_contract import subjects
from postroom_contract.codec import decode, encode
from postroom_contract.commands import DeliverChunk, DropChunk, RetryChunk, subject_of
from postroom_contract.ids import derived_id
from postroom_runtime import schedules
from postroom_runtime.clock import Clock
from postroom_runtime.messages import Publication
from postroom_smtp.ports import Broker


def waits_at(account: str, chunk: str, attempt: int, part: str, why: str = "") -> str:
    """Return the subject that an attempt waits on; nothing else ever waits there."""
    name = derived_id("sch", chunk, str(attempt), *filter(None, (part, why)))
    return subjects.schedule(account, "smtp", name)


class Queueing:
    """Handles `smtp.retry` and `smtp.drop`."""

    def __init__(self, broker: Broker, clock: Clock) -> None:
        self._broker = broker
        self._clock = clock

    async def retry(self, command: RetryChunk) -> None:
        """Let an attempt begin now; UnavailableError when the broker does not answer."""
        await self._hurry(command, "")

    async def drop(self, command: DropChunk) -> None:
        """Let an attempt begin now, and give up; UnavailableError as `retry`."""
        await self._hurry(command, command.words)

    async def _hurry(self, command: RetryChunk | DropChunk, words: str) -> None:
        where = waits_at(command.account, command.chunk, command.attempt, command.part)
        found = await self._broker.last("COMMANDS", where)
        if found is None:
            structlog.get_logger().info("it waits no more", chunk=command.chunk)
            return
        chunk = msgspec.structs.replace(decode(found.data, DeliverChunk), give_up=words)
        target = Publication(subject_of(chunk), encode(chunk), None)
        await self._broker.publish(schedules.at(self._clock.now(), where, target))
