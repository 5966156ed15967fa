"""Slots of destinations, and the queue of those that found none."""

from postroom_smtp.domain.slots import LONGEST, PAUSE, Slots


def test_each_destination_has_its_own() -> None:
    slots = Slots(2)
    assert [slots.take("a") for _ in range(3)] == [True, True, False]
    assert slots.take("b")
    slots.free("a")
    assert slots.take("a")


def test_who_waits_comes_again_one_behind_the_other_and_not_too_late() -> None:
    slots = Slots(5)
    pauses = [slots.pause("a", 100.0) for _ in range(5_000)]
    assert pauses[0] > PAUSE
    assert pauses == sorted(pauses)
    assert abs(pauses[1_000] - pauses[0] - 50) < 1, "20 a second with five slots"
    assert max(pauses) <= LONGEST
    assert slots.pause("b", 100.0) < PAUSE + 1
    # When all have come, the queue begins anew.
    assert slots.pause("a", 100.0 + LONGEST + 1) < PAUSE + 1
