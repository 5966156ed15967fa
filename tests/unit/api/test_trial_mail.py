"""How far a test mail is, from what is written of it."""

from datetime import UTC, datetime, timedelta

import pytest

from postroom_api.domain.letters import Letter, message_id, rendered, sending, serial
from postroom_api.domain.trial_mail import PATIENCE, Arrival, Sent, TrialMail, way
from postroom_mail.address import parse_address

BEGUN = datetime(2026, 11, 25, 12, tzinfo=UTC)
MAIL = TrialMail(to="a@x.example", subject="Test", message_id="1@x.example", serial=7)
ARRIVED = Arrival("msg_1", BEGUN + timedelta(seconds=1.5))
LETTER = Letter(
    id="opr_1", account="acc_1", scope="mbx_1", to=parse_address("a@x.example"),
    subject="Test", text="Hello\n", written_at=BEGUN,
)  # fmt: skip


def at(sent: Sent | None, arrival: Arrival | None, after: timedelta = timedelta(seconds=2)):
    return way(MAIL, sent, arrival, begun_at=BEGUN, now=BEGUN + after)


@pytest.mark.parametrize(
    ("sent", "arrival", "state", "names", "left"),
    [
        (None, None, "running", ["handed_over"], False),
        (Sent("delivered", "250 ok"), None, "running", ["handed_over", "delivered"], True),
        (Sent("deferred", "451 later"), None, "running", ["handed_over", "delivered"], True),
        (Sent("failed", "550 no"), None, "failed", ["handed_over", "delivered"], False),
        (Sent("captured", "no relay"), None, "failed", ["handed_over", "delivered"], False),
        (None, ARRIVED, "done", ["handed_over", "delivered", "arrived"], False),
        (Sent("failed", "550 no"), ARRIVED, "done", ["handed_over", "delivered", "arrived"], False),
    ],
)
def test_a_way(sent, arrival, state, names, left) -> None:
    found = at(sent, arrival)
    assert (found.state, [one.name for one in found.stages], found.left) == (state, names, left)
    assert bool(found.error) == (state == "failed")


def test_the_words_are_the_next_hops_and_the_time_is_told() -> None:
    assert at(Sent("failed", "550 5.1.1 no"), None).error == "It was not delivered: 550 5.1.1 no"
    found = at(Sent("delivered", "250 ok"), ARRIVED)
    assert [one.words for one in found.stages] == ["for a@x.example", "250 ok", "after 1.50 s"]
    assert found.message == "msg_1"


def test_patience_ends() -> None:
    assert at(None, None, PATIENCE).state == "running"
    assert at(None, None, PATIENCE + timedelta(seconds=1)).state == "failed"


def test_a_letter_written_again_has_the_same_ids() -> None:
    base = "https://post.example.org"
    assert rendered(LETTER, base) == rendered(LETTER, base)
    assert sending(LETTER) == sending(LETTER)
    assert sending(LETTER).recipients[0].serial == serial(LETTER)
    assert message_id(LETTER, base).endswith("@post.example.org")


@pytest.mark.parametrize("base", ["http://127.0.0.1:8080", "http://localhost", "http://[::1]:80"])
def test_a_letter_never_comes_from_a_bare_address_of_a_machine(base) -> None:
    assert message_id(LETTER, base).endswith("@postroom.local")
