"""From a message of the broker to its handler."""

from collections.abc import Awaitable, Callable

from postroom_contract.codec import decode
from postroom_contract.commands import LeaveForum, PostMail, RecordBounce, Redo, SilencePerson
from postroom_contract.events import DeliveryReported
from postroom_contract.streams import FORUM_COMMANDS, FORUM_DELIVERIES
from postroom_forum_bridge.handlers.notices import Notices
from postroom_forum_bridge.handlers.posting import PostMails
from postroom_runtime.consume import Delivered
from postroom_runtime.errors import RefusedError

Original = Callable[[Redo], Awaitable[tuple[str, Delivered]]]
Ours = PostMail | RecordBounce | LeaveForum | SilencePerson | Redo


class Messages:
    """Handles what the two consumers bring; `original` finds what a redo speaks of."""

    def __init__(self, posting: PostMails, notices: Notices, original: Original) -> None:
        self._posting = posting
        self._notices = notices
        self._original = original

    async def on_command(self, delivered: Delivered) -> None:
        """Handle a command; ContractError for one that is none."""
        command = _command(delivered)
        if isinstance(command, Redo):
            await self._redo(command)
        else:
            await self._do(command)

    async def on_report(self, delivered: Delivered) -> None:
        """Handle a report of deliveries."""
        await self._notices.on_report(decode(delivered.data, DeliveryReported))

    async def _do(self, command: PostMail | RecordBounce | LeaveForum | SilencePerson) -> None:
        match command:
            case PostMail():
                await self._posting.on_post(command)
            case RecordBounce():
                await self._notices.on_bounce(command)
            case LeaveForum():
                await self._notices.on_leave(command)
            case SilencePerson():
                await self._notices.on_silence(command)

    async def _redo(self, redo: Redo) -> None:
        consumer, original = await self._original(redo)
        if consumer == FORUM_DELIVERIES.name:
            await self.on_report(original)
        elif consumer == FORUM_COMMANDS.name:
            command = _command(original)
            if isinstance(command, Redo):
                raise RefusedError(f"{redo.dead} is a redo itself: redo what it speaks of")
            await self._do(command)
        else:
            raise RefusedError(f"{redo.dead} was set aside by {consumer}, which is not ours")


def _command(delivered: Delivered) -> Ours:
    command: Ours = decode(delivered.data, Ours)  # type: ignore[arg-type]  # msgspec takes a union
    return command
