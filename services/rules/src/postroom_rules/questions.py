"""Answers to the api: whether a rule can be run, and what the rules would say of a mail.

Nothing here publishes, so asking is free.
"""

from postroom_contract import subjects
from postroom_contract.codec import decode
from postroom_contract.ruling import CheckRule, RuleProblem, RuleProblems, Trial, TryMail
from postroom_rules.domain.checks import problems
from postroom_rules.handlers import SortMail
from postroom_runtime.answering import answered
from postroom_runtime.bus import Bus


class Questions:
    """Serves `rpc.rules.*`."""

    def __init__(self, sort: SortMail) -> None:
        self._sort = sort

    async def serve(self, bus: Bus) -> None:
        """Answer until the connection closes."""
        for verb, handler in (("check", self.check), ("try", self.try_mail)):
            await bus.serve(subjects.rpc("rules", verb), answered(handler))

    async def check(self, data: bytes) -> RuleProblems:
        """Say what is wrong with a rule."""
        question = decode(data, CheckRule)
        found = problems(question.condition, question.actions)
        return RuleProblems(
            problems=tuple(RuleProblem(pointer=where, detail=what) for where, what in found)
        )

    async def try_mail(self, data: bytes) -> Trial:
        """Decide on a mail without recording or doing anything."""
        return await self._sort.trial(decode(data, TryMail))
