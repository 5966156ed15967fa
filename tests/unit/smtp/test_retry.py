from postroom_smtp.domain.retry import GIVE_UP, pause_after


def test_pauses_grow_and_end_within_five_days():
    pauses = []
    attempt = 1
    while (pause := pause_after(attempt)) is not None:
        pauses.append(pause)
        attempt += 1
    assert pauses[:7] == [60, 300, 900, 3600, 7200, 14400, 28800]
    assert pauses == sorted(pauses)
    assert GIVE_UP - 28800 < sum(pauses) <= GIVE_UP
    assert attempt == 21
    assert pause_after(1000) is None
