"""From a function to the answer of a request: what cannot be done is said, never left open."""

from collections.abc import Awaitable, Callable

import structlog

from postroom_contract.codec import ContractError, encode
from postroom_contract.forum import Problem
from postroom_runtime.errors import RefusedError, UnavailableError

Answer = tuple[bytes, bool]
"""Payload, and whether it is a Problem."""


def answered(
    handler: Callable[[bytes], Awaitable[object]],
) -> Callable[[bytes], Awaitable[Answer]]:
    """Return what `Bus.serve` takes; `handler` gets the request's bytes and returns a value."""

    async def answer(data: bytes) -> Answer:
        try:
            return encode(await handler(data)), False
        except (ContractError, RefusedError) as error:
            problem = Problem(code="invalid", detail=str(error))
        except UnavailableError as error:
            problem = Problem(code="unavailable", detail=str(error))
        except Exception:  # noqa: BLE001 - the asker must hear something; the log has it whole
            structlog.get_logger().exception("a question failed")
            problem = Problem(code="unavailable", detail="an error of ours; the log has it")
        return encode(problem), True

    return answer
