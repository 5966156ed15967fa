"""What rules want done on a server is done where the mail lies, and under its own number."""

from postroom_fetcher.domain.arrangement import Arrangement, elsewhere, steps


def wanted(number: int, **more: object) -> Arrangement:
    values = {"folder": "INBOX", "uidvalidity": "7", "key": str(number), **more}
    return Arrangement(command=f"cmd_{number}", **values)  # type: ignore[arg-type]  # a test's own words


def test_flags_and_moves_are_gathered() -> None:
    all_ = [
        wanted(1, flags=("read", "starred")),
        wanted(2, flags=("read",), move_to="Bills"),
        wanted(3, move_to="Bills"),
        wanted(4, folder="Spam", flags=("read",)),
    ]
    found = steps(all_, "INBOX", "7")
    assert found.flags == {"read": ["1", "2"], "starred": ["1"]}
    assert found.moves == {"Bills": ["2", "3"]}
    assert found.done == ["cmd_1", "cmd_2", "cmd_3"]


def test_what_was_numbered_otherwise_is_given_up() -> None:
    found = steps([wanted(1, uidvalidity="6", move_to="Bills")], "INBOX", "7")
    assert (found.flags, found.moves, found.done) == ({}, {}, ["cmd_1"])


def test_folders_that_are_no_longer_fetched_from() -> None:
    assert elsewhere([wanted(1), wanted(2, folder="Old")], ["INBOX"]) == ["cmd_2"]
