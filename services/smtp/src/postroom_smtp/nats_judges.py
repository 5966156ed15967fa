"""The rules over the broker's request and reply, before a mail is taken. Port: Judges."""

from typing import Final

import structlog

from postroom_contract import subjects
from postroom_contract.mail import Authentication
from postroom_contract.rules import Reject
from postroom_contract.ruling import Trial, TryMail
from postroom_runtime.bus import Bus
from postroom_runtime.errors import UnavailableError
from postroom_runtime.messages import AnsweredError
from postroom_smtp.domain.admission import Target
from postroom_smtp.domain.data import header_of
from postroom_smtp.domain.intake import Transaction

SECONDS: Final = 2.0
LOOKED_AT: Final = 256 * 1024
"""Bytes of the body; the header comes whole."""


class NatsJudges:
    """Asks, and does not wait long."""

    def __init__(self, bus: Bus) -> None:
        self._bus = bus

    async def rejection(
        self, transaction: Transaction, target: Target, found: Authentication | None
    ) -> str | None:
        """Return the words with which this recipient's rules refuse it, or None."""
        question = TryMail(
            account=target.account,
            mailbox=target.mailbox,
            recipient=target.recipient,
            sender=transaction.sender,
            raw=transaction.content[: len(header_of(transaction.content)) + 2 + LOOKED_AT],
            authentication=found,
        )
        try:
            trial = await self._bus.request(
                subjects.rpc("rules", TryMail.verb), question, Trial, SECONDS
            )
        except (UnavailableError, AnsweredError) as error:
            structlog.get_logger().warning("the rules were not heard", reason=str(error))
            return None
        actions = trial.decision.actions
        return next((one.text for one in actions if isinstance(one, Reject)), None)
