"""The broker: raw mails, rendered mails, and the api's questions."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Final

import msgspec
import structlog

from postroom_contract import forum, membership, subjects
from postroom_contract.codec import (
    ENVELOPE_HEADER,
    ContractError,
    decode,
    encode,
    envelope_from_header,
)
from postroom_contract.commands import MailReference, OutboxMail
from postroom_contract.forum import Problem, Request
from postroom_forum_bridge.ports import ProblemError, RawMail
from postroom_runtime.bus import Bus
from postroom_runtime.errors import RefusedError, UnavailableError

ANSWER_SECONDS: Final = 3.7
"""The api waits 4 s."""

Answer = Callable[[Request[object]], Awaitable[object]]


class NatsMails:
    """Port `Mails`."""

    def __init__(self, bus: Bus) -> None:
        self._bus = bus

    async def fetch(self, account: str, mail: MailReference) -> RawMail:
        """Return the mail; RefusedError when its place is empty or holds another one."""
        found = await self._bus.get(mail.raw)
        if found is None:
            raise RefusedError(f"the raw mail {mail.id} is no longer there")
        header = found.headers.get(ENVELOPE_HEADER)
        if header is None:
            raise RefusedError(f"{mail.raw} holds no mail")
        envelope = envelope_from_header(header)
        if (envelope.id, envelope.account) != (mail.id, account):
            raise RefusedError(f"{mail.raw} holds another mail than {mail.id}")
        return RawMail(envelope, found.data)


class NatsOutbox:
    """Port `Outbox`."""

    def __init__(self, bus: Bus) -> None:
        self._bus = bus

    async def rendered(self, account: str, outbox: str) -> OutboxMail | None:
        """Return the rendered mail, or None when it is gone."""
        found = await self._bus.last("OUTBOX", subjects.outbox(account, outbox))
        return decode(found.data, OutboxMail) if found else None


async def serve(bus: Bus, answer: Answer) -> None:
    """Answer every request of the contract from now on, together with our replicas."""
    for kind in (*forum.REQUESTS, *membership.REQUESTS):
        await bus.serve(subjects.rpc(kind.service, kind.verb), _handler(kind, answer))


def _refuse_nul(request: Request[object]) -> None:
    for value in msgspec.structs.astuple(request):
        if isinstance(value, str) and "\0" in value:
            raise ProblemError("invalid", "A NUL stands in no text.")


def _handler(
    kind: type[Request[object]], answer: Answer
) -> Callable[[bytes], Awaitable[tuple[bytes, bool]]]:
    async def handle(payload: bytes) -> tuple[bytes, bool]:
        try:
            async with asyncio.timeout(ANSWER_SECONDS):
                request = decode(payload, kind)
                _refuse_nul(request)
                return encode(await answer(request)), False
        except ProblemError as error:
            problem = error.problem
        except ContractError as error:
            problem = Problem(code="invalid", detail=str(error))
        except (UnavailableError, TimeoutError) as error:
            structlog.get_logger().warning("cannot answer", verb=kind.verb, reason=str(error))
            problem = Problem(code="unavailable", detail="The forums cannot be reached right now.")
        except Exception:  # noqa: BLE001 - the asker must hear something; the log has it whole
            structlog.get_logger().exception("question failed", verb=kind.verb)
            problem = Problem(code="unavailable", detail="The forums failed to answer.")
        return encode(problem), True

    return handle
