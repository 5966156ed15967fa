"""`/api/v1`: trying a connection, operations, and looking on (server-sent events)."""

from collections.abc import AsyncIterator
from typing import Annotated, Any

from litestar import get, post
from litestar.di import NamedDependency
from litestar.params import QueryParameter
from litestar.response import ServerSentEvent
from litestar.response.sse import ServerSentEventMessage

from postroom_api.domain.mailbox_settings import MailboxSettings
from postroom_api.domain.operations import Operation
from postroom_api.domain.values import Principal
from postroom_api.http.office import Office
from postroom_api.http.office_api import patched
from postroom_api.http.scoped import needs
from postroom_api.http.trials import Trials

Who = NamedDependency[Principal]
At = NamedDependency[Trials]
Of = NamedDependency[Office]


async def _messages(
    feed: AsyncIterator[tuple[str, bytes]],
) -> AsyncIterator[ServerSentEventMessage]:
    async for event, data in feed:
        yield ServerSentEventMessage(event=event, data=data.decode())


@post(
    "/mailboxes/test",
    operation_id="testMailbox",
    summary="Try a mailbox's settings before they are saved",
    status_code=202,
    **needs("mailboxes:write"),
)
async def try_settings(who: Who, trials: At, data: MailboxSettings) -> Operation:
    """Begin a test; the outcome is the operation's result, told live on its events."""
    return await trials.test(who, data, None)


@post(
    "/mailboxes/{mailbox:str}/test",
    operation_id="testStoredMailbox",
    summary="Try a mailbox as it is, or as a patch would make it",
    status_code=202,
    **needs("mailboxes:write"),
)
async def try_mailbox(
    who: Who, trials: At, office: Of, mailbox: str, data: dict[str, Any] | None = None
) -> Operation:
    """Begin a test with the stored password, unless the patch (RFC 7396) brings another."""
    settings = patched(await office.mailbox(who, mailbox), data or {})
    return await trials.test(who, settings, mailbox)


@post(
    "/mailboxes/{mailbox:str}/test-mail",
    operation_id="sendTestMail",
    summary="Send a mail to the mailbox and watch it arrive",
    status_code=202,
    **needs("mailboxes:write"),
)
async def send_test_mail(who: Who, trials: At, mailbox: str) -> Operation:
    """Begin; the operation's result says how far it is, its events tell it live."""
    return await trials.mails.begin(who, mailbox)


@get(
    "/operations/{operation:str}",
    operation_id="getOperation",
    summary="How long work goes",
    **needs("mailboxes:read"),
)
async def get_operation(who: Who, trials: At, operation: str) -> Operation:
    return await trials.operation(who, operation)


@get(
    "/operations/{operation:str}/events",
    operation_id="watchOperation",
    summary="Look on: `stage` events, at last `end`",
    media_type="text/event-stream",
    **needs("mailboxes:read", feed=True),
)
async def watch_operation(who: Who, trials: At, operation: str) -> ServerSentEvent:
    await trials.operation(who, operation)
    return ServerSentEvent(_messages(trials.look_on(who, operation)))


@get(
    "/mailboxes/{mailbox:str}/events",
    operation_id="watchMailbox",
    summary="Look on while it is checked: `progress` events, at last `end`",
    media_type="text/event-stream",
    **needs("mailboxes:read", feed=True),
)
async def watch_mailbox(
    who: Who,
    trials: At,
    office: Of,
    mailbox: str,
    after: Annotated[
        str,
        QueryParameter(name="after", max_length=50, description="`checked_at` that you know of"),
    ] = "",
) -> ServerSentEvent:
    await office.mailbox(who, mailbox)
    return ServerSentEvent(_messages(trials.look_on_mailbox(who, mailbox, after)))


HANDLERS: list[Any] = [
    try_settings, try_mailbox, send_test_mail, get_operation, watch_operation, watch_mailbox,
]  # fmt: skip
