"""A mail that one sends to a mailbox to see it arrive, and how far it is."""

from datetime import datetime, timedelta
from typing import Final, Literal

import msgspec

KIND: Final = "mailbox.test_mail"
PATIENCE: Final = timedelta(minutes=10)
"""A mailbox that is fetched may be looked at every few minutes only."""

StageName = Literal["handed_over", "delivered", "arrived"]


class TrialMail(msgspec.Struct, frozen=True, kw_only=True):
    """What is known when it is sent: the result of the operation until it has ended."""

    to: str
    subject: str
    message_id: str
    serial: int
    """Of its delivery."""


class Sent(msgspec.Struct, frozen=True):
    """What the next hop said to it."""

    state: str
    reply: str


class Arrival(msgspec.Struct, frozen=True):
    """It, in the message log."""

    message: str
    received_at: datetime


class Step(msgspec.Struct, frozen=True, kw_only=True):
    """One step of its way, in words."""

    name: StageName
    well: bool
    words: str


class Way(msgspec.Struct, frozen=True, kw_only=True):
    """How far it is; `message` is its id in the message log once it is there."""

    to: str
    subject: str
    message_id: str
    state: Literal["running", "done", "failed"]
    stages: list[Step]
    message: str | None = None
    error: str = ""

    @property
    def left(self) -> bool:
        """Whether it was delivered and has not come in yet."""
        return self.state == "running" and len(self.stages) > 1 and self.stages[1].well


def way(
    mail: TrialMail,
    sent: Sent | None,
    arrival: Arrival | None,
    *,
    begun_at: datetime,
    now: datetime,
) -> Way:
    """Return how far it is. A delivery that was put off is not the end of it; a refusal is."""
    stages = [Step(name="handed_over", well=True, words=f"for {mail.to}")]
    if sent is not None:
        well = sent.state in {"delivered", "deferred"}
        stages.append(Step(name="delivered", well=well, words=sent.reply))
    elif arrival is not None:
        stages.append(Step(name="delivered", well=True, words="the next hop took it"))
    error = ""
    if arrival is not None:
        seconds = max((arrival.received_at - begun_at).total_seconds(), 0.0)
        words = f"after {seconds:.2f} s"
        stages.append(Step(name="arrived", well=True, words=words))
    elif sent is not None and sent.state in {"failed", "captured", "suppressed", "bounced"}:
        error = f"It was not delivered: {sent.reply}"
    elif now - begun_at > PATIENCE:
        error = "It has not come in within ten minutes. It may come yet: look at the messages."
    return Way(
        to=mail.to,
        subject=mail.subject,
        message_id=mail.message_id,
        state="done" if arrival else "failed" if error else "running",
        stages=stages,
        message=arrival.message if arrival else None,
        error=error,
    )
