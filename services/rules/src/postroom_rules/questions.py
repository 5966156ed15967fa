"""Answers to the api: whether a rule can be run, and what rules would say, or have said, of mail.

Nothing here publishes, so asking is free.
"""

import msgspec

from postroom_contract.ruling import (
    AnalyseRules,
    BacktestRule,
    CheckRule,
    ReplayMail,
    RuleFinding,
    RuleFindings,
    RuleProblem,
    RuleProblems,
    TryMail,
    TryRule,
)
from postroom_rules.domain.analysis import findings
from postroom_rules.domain.checks import problems
from postroom_rules.domain.drafts import sorted_out
from postroom_rules.handlers import SortMail
from postroom_rules.rehearsing import Rehearsals
from postroom_runtime.answering import serve_all
from postroom_runtime.bus import Bus


class Questions:
    """Serves `rpc.rules.*`."""

    def __init__(self, sort: SortMail, rehearsals: Rehearsals) -> None:
        self._sort = sort
        self._rehearsals = rehearsals

    async def serve(self, bus: Bus) -> None:
        """Answer until the connection closes."""
        await serve_all(
            bus,
            {
                CheckRule: self.check,
                TryMail: self._sort.trial,
                AnalyseRules: self.analyse,
                BacktestRule: self._rehearsals.backtest,
                ReplayMail: self._rehearsals.replay,
                TryRule: self._rehearsals.examples,
            },
        )

    async def check(self, question: CheckRule) -> RuleProblems:
        """Say what is wrong with a rule."""
        found = problems(question.condition, question.actions)
        return RuleProblems(
            problems=tuple(RuleProblem(pointer=where, detail=what) for where, what in found)
        )

    async def analyse(self, question: AnalyseRules) -> RuleFindings:
        """Say what is wrong with rules as they stand together."""
        found = findings(sorted_out(question.rules), question.own)
        return RuleFindings(
            findings=tuple(
                msgspec.convert(msgspec.structs.asdict(one), RuleFinding) for one in found
            )
        )
