"""Slots of destinations, who waits for one, and the queue of those that found none."""

from postroom_smtp.domain.slots import LONGEST, MOVING, PAUSE, Slots


def test_each_destination_has_its_own() -> None:
    slots = Slots(2)
    assert [slots.take("a", 0) for _ in range(3)] == [True, True, False]
    assert slots.take("b", 0)
    slots.free("a", 0)
    assert slots.take("a", 0)


def test_nobody_waits_where_nothing_moves() -> None:
    slots = Slots(1)
    slots.take("a", 10.0)
    assert slots.patience("a", 10.0) == MOVING
    assert 0 < slots.patience("a", 10.4) < MOVING
    assert slots.patience("a", 10.0 + MOVING) == 0
    slots.free("a", 20.0)
    slots.take("a", 20.0)
    assert slots.patience("a", 20.5) > 0, "it moves again"


def test_so_many_wait_and_no_more() -> None:
    slots = Slots(3)
    for _ in range(3):
        slots.take("a", 0)
    waiting = 0
    while slots.patience("a", 0):
        slots.wait("a", 1)
        waiting += 1
    assert waiting == 6
    slots.wait("a", -1)
    assert slots.patience("a", 0)


def test_who_is_parked_comes_again_one_behind_the_other_and_not_too_late() -> None:
    slots = Slots(5)
    pauses = [slots.pause("a", 100.0) for _ in range(5_000)]
    assert pauses[0] > PAUSE
    assert pauses == sorted(pauses)
    assert abs(pauses[1_000] - pauses[0] - 50) < 1, "20 a second with five slots"
    assert max(pauses) <= LONGEST
    assert slots.pause("b", 100.0) < PAUSE + 1
    # When all have come, the queue begins anew.
    assert slots.pause("a", 100.0 + LONGEST + 1) < PAUSE + 1
