"""Answers to the api: whether a rule can be run, and what the rules would say of a mail.

Nothing here publishes, so asking is free.
"""

from collections.abc import Awaitable, Callable

from postroom_contract import subjects
from postroom_contract.codec import ContractError, decode, encode
from postroom_contract.forum import Problem
from postroom_contract.ruling import CheckRule, RuleProblem, RuleProblems, TryMail
from postroom_rules.domain.checks import problems
from postroom_rules.handlers import SortMail
from postroom_runtime.bus import Bus
from postroom_runtime.errors import RefusedError, UnavailableError

Answer = tuple[bytes, bool]


class Questions:
    """Serves `rpc.rules.*`."""

    def __init__(self, sort: SortMail) -> None:
        self._sort = sort

    async def serve(self, bus: Bus) -> None:
        """Answer until the connection closes."""
        for verb, handler in (("check", self.check), ("try", self.try_mail)):
            await bus.serve(subjects.rpc("rules", verb), _answered(handler))

    async def check(self, data: bytes) -> bytes:
        """Say what is wrong with a rule."""
        question = decode(data, CheckRule)
        found = problems(question.condition, question.actions)
        return encode(
            RuleProblems(
                problems=tuple(RuleProblem(pointer=where, detail=what) for where, what in found)
            )
        )

    async def try_mail(self, data: bytes) -> bytes:
        """Decide on a mail without recording or doing anything."""
        return encode(await self._sort.trial(decode(data, TryMail)))


def _answered(handler: Callable[[bytes], Awaitable[bytes]]) -> Callable[[bytes], Awaitable[Answer]]:
    async def answer(data: bytes) -> Answer:
        try:
            return await handler(data), False
        except (ContractError, RefusedError) as error:
            return encode(Problem(code="invalid", detail=str(error))), True
        except UnavailableError as error:
            return encode(Problem(code="unavailable", detail=str(error))), True

    return answer
