"""Slots of destinations, who waits for one, and the queue of those that found none."""

from postroom_smtp.domain.slots import FORGET, LONGEST, MOVING, PAUSE, ROUND, Slots


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


def test_who_is_parked_comes_as_quickly_as_a_quick_destination_takes() -> None:
    slots = Slots(2)
    slots.take("a", 0)
    for hundredth in range(100):
        slots.take("a", hundredth / 100)
        slots.free("a", (hundredth + 1) / 100)
    pauses = [slots.pause("a", 1.0) for _ in range(2)]
    assert pauses[1] - pauses[0] < 0.01, "as it takes one each hundredth of a second"


def test_a_destination_that_asks_for_less_has_half_and_at_least_one() -> None:
    slots = Slots(10)
    had = []
    for number in range(6):
        assert slots.slow_down("a", number * ROUND)
        had.append(slots.of("a"))
    assert had == [5, 2, 1, 1, 1, 1]
    assert (slots.of("b"), slots.slowed) == (10, 1)
    assert [slots.take("a", 100) for _ in range(2)] == [True, False]


def test_what_all_in_hand_hear_at_once_is_one_wish() -> None:
    slots = Slots(8)
    assert [slots.slow_down("a", 10 + n / 10) for n in range(5)] == [True] + 4 * [False]
    assert slots.of("a") == 4
    assert slots.slow_down("a", 10 + ROUND)
    assert slots.of("a") == 2


def test_it_recovers_by_one_with_each_round_that_goes_well() -> None:
    slots = Slots(4)
    slots.slow_down("a", 0)
    slots.slow_down("a", ROUND)
    assert slots.of("a") == 1
    grown = []
    while slots.slowed:
        grown.append(slots.went_well("a", 20))
    assert grown == [True, False, True, False, False, True], "1, then 2, then 3 that went well"
    assert slots.of("a") == 4
    assert not slots.went_well("a", 21)


def test_what_went_well_before_a_wish_for_less_does_not_count() -> None:
    slots = Slots(4)
    slots.slow_down("a", 0)
    slots.went_well("a", 1)
    slots.slow_down("a", 2)
    assert not slots.went_well("a", 3)
    assert slots.went_well("a", 4)


def test_who_was_not_heard_of_for_long_has_all_again() -> None:
    slots = Slots(4)
    slots.slow_down("a", 0)
    slots.slow_down("b", FORGET + 1)
    assert (slots.of("a"), slots.of("b"), slots.slowed) == (4, 2, 1)
