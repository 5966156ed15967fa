"""Refusals as events: what the broker does not take costs nothing but the telling."""

from postroom_contract.codec import decode
from postroom_contract.events import MailRefused
from postroom_runtime.errors import UnavailableError
from postroom_runtime.messages import BrokerError
from postroom_smtp.domain.refusals import Refusal
from postroom_smtp.handlers.telling import Telling
from support.smtp import FixedClock, MemoryBroker, MemoryCounts


def refusal(number: int) -> Refusal:
    return Refusal(
        client="192.0.2.7", reason="relaying", reply="550 5.7.1 no", recipient=f"r{number}@x"
    )


class Choosy(MemoryBroker):
    """Raises what it is told to, once each."""

    def __init__(self, *errors: Exception) -> None:
        super().__init__()
        self.errors = list(errors)

    async def publish(self, what):
        if self.errors:
            raise self.errors.pop(0)
        return await super().publish(what)


def told(broker: MemoryBroker) -> list[str]:
    return [decode(one.payload, MailRefused).recipient for one in broker.under("event")]


async def test_what_waits_for_the_broker_is_told_later() -> None:
    broker, counts = Choosy(UnavailableError("away")), MemoryCounts()
    telling = Telling(broker, FixedClock(), counts)
    for number in range(3):
        telling.note(refusal(number))
    await telling.finish()
    assert told(broker) == []
    await telling.finish()
    assert told(broker) == ["r0@x", "r1@x", "r2@x"]
    assert counts.seen == []


async def test_what_the_broker_refuses_is_counted_and_the_next_is_told() -> None:
    broker, counts = Choosy(BrokerError(10_000, "no"), BrokerError(10_000, "no")), MemoryCounts()
    telling = Telling(broker, FixedClock(), counts)
    for number in range(3):
        telling.note(refusal(number))
    await telling.finish()
    assert told(broker) == ["r2@x"]
    assert counts.seen == [("untold", 1), ("untold", 1)]


async def test_a_broker_that_stays_away_costs_bounded_memory_and_all_is_counted() -> None:
    broker, counts = MemoryBroker(), MemoryCounts()
    telling = Telling(broker, FixedClock(), counts)
    for number in range(1_500):
        telling._push(refusal(number))
    await telling.finish()
    assert len(told(broker)) == 1_000
    assert counts.seen == [("untold", 1)] * 500
