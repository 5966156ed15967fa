"""From a function to the answer of a request: what cannot be done is said, never left open."""

from collections.abc import Awaitable, Callable, Mapping
from typing import Any

import structlog

from postroom_contract import subjects
from postroom_contract.codec import ContractError, decode, encode
from postroom_contract.forum import Problem, Request
from postroom_runtime.bus import Bus
from postroom_runtime.errors import RefusedError, UnavailableError

Answer = tuple[bytes, bool]
"""Payload, and whether it is a Problem."""

Answers = Mapping[type[Request[Any]], Callable[[Any], Awaitable[Any]]]
"""What answers each kind of question."""


async def serve_all(bus: Bus, answers: Answers) -> None:
    """Answer these questions from now on."""
    for asked, answer in answers.items():
        subject = subjects.rpc(asked.service, asked.verb)
        await bus.serve(subject, answered(_decoded(asked, answer)))


def _decoded(
    asked: type[Request[Any]], answer: Callable[[Any], Awaitable[Any]]
) -> Callable[[bytes], Awaitable[Any]]:
    return lambda data: answer(decode(data, asked))


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
