"""Trying the mails that are kept with a rule on its condition.

Law: a change of a rule never fails because of its examples; what nobody answered in time is tried
when somebody looks next.
"""

from typing import Final

import structlog

from postroom_api.domain.values import Principal, Rule
from postroom_api.ports import PatientServices, ServiceProblemError
from postroom_api.postgres.rule_examples import RuleExamples
from postroom_contract.ruling import ExampleMail, TriedMail, TryRule
from postroom_runtime.errors import UnavailableError

RUN_SECONDS: Final = 3.0
"""A request has to end within 5.5."""


class ExampleRuns:
    """Asks the rules service, and keeps what it says."""

    def __init__(self, services: PatientServices, rows: RuleExamples) -> None:
        self._services = services
        self._rows = rows

    async def tried(
        self, who: Principal, rule: Rule, mails: tuple[ExampleMail, ...]
    ) -> tuple[TriedMail, ...]:
        """Return what a rule's condition says of mails."""
        question = TryRule(account=who.account, condition=rule.condition, mails=mails)
        return (await self._services.ask_patiently(question, RUN_SECONDS)).mails

    async def run(self, who: Principal, rule: Rule) -> None:
        """Try the examples of a rule that were not tried since its condition was changed."""
        kept = await self._rows.untried(who, rule.id)
        if not kept:
            return
        try:
            found = await self.tried(who, rule, tuple(one.mail for one in kept))
        except (UnavailableError, ServiceProblemError) as error:
            structlog.get_logger().warning("examples were not tried", reason=str(error))
            return
        pairs = [(one.id, said) for one, said in zip(kept, found, strict=True)]
        await self._rows.tried(who, rule, pairs)
