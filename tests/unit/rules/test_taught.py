"""An account's filter as a fold over what it was taught."""

from datetime import UTC, datetime

import pytest

from postroom_contract.training import Training
from postroom_mail.read import framed
from postroom_rules.domain.spam_model import NoSnapshotError
from postroom_rules.domain.spam_tokens import VERSION, Tokens, read_framed_with_tokens
from postroom_rules.domain.taught import Taught, packed
from support.chance import chance

AT = datetime(2026, 11, 30, tzinfo=UTC)


def tokens(text: str) -> Tokens:
    raw = f"From: a@example.net\r\nSubject: {text}\r\n\r\n{text}\r\n".encode()
    return read_framed_with_tokens(framed(raw, "")).tokens


def taught(mail: str, text: str, *, spam: bool | None, form: int = VERSION) -> Training:
    return Training(
        account="acc_1", mail=mail, spam=spam, tokens=packed(tokens(text)), form=form, by="x", at=AT
    )


def many() -> list[Training]:
    bad = [taught(f"bad{n}", f"cheap pills casino {n}", spam=True) for n in range(12)]
    good = [taught(f"good{n}", f"garden tomatoes minutes {n}", spam=False) for n in range(12)]
    return bad + good


def state(filter_: Taught) -> tuple[bytes, bytes]:
    found = filter_.snapshot("acc_1")
    return found.taught, found.model


def test_the_order_of_trainings_does_not_matter() -> None:
    random = chance("trainings")
    one, other = Taught(), Taught()
    trainings = many()
    for number, training in enumerate(trainings, 1):
        one.take(training, number)
    random.shuffle(trainings)
    for number, training in enumerate(trainings, 1):
        other.take(training, number)
    assert state(one) == state(other)
    assert one.model.spam == one.model.ham == 12
    verdict = one.opinion(tokens("cheap pills casino"))
    assert verdict is not None
    assert verdict.score > 80
    assert any("pills" in reason.words for reason in verdict.reasons)


def test_what_is_forgotten_or_taught_anew_leaves_no_trace() -> None:
    wanted = Taught()
    for number, training in enumerate(many(), 1):
        wanted.take(training, number)
    other = Taught()
    steps = [
        taught("more", "lottery millions", spam=True),
        *many(),
        taught("more", "lottery millions", spam=False),
        taught("good3", "garden tomatoes minutes 3", spam=True),
        taught("good3", "garden tomatoes minutes 3", spam=False),
        taught("more", "lottery millions", spam=None),
        taught("never", "was not there", spam=None),
    ]
    for number, training in enumerate(steps, 1):
        assert other.take(training, number)
    assert state(other) == state(wanted)


def test_a_sequence_is_taken_once() -> None:
    found = Taught()
    assert found.take(taught("a", "pills", spam=True), 5)
    assert not found.take(taught("b", "pills", spam=True), 5)
    assert not found.take(taught("b", "pills", spam=True), 4)
    assert (found.model.spam, found.sequence) == (1, 5)


def test_another_form_is_left_out_and_too_little_says_nothing() -> None:
    found = Taught()
    found.take(taught("a", "pills", spam=True, form=VERSION + 1), 1)
    assert (found.model.spam, found.sequence) == (0, 1)
    assert found.opinion(tokens("pills")) is None


def test_a_snapshot_goes_on_where_it_was_taken() -> None:
    trainings = many()
    whole, half = Taught(), Taught()
    for number, training in enumerate(trainings, 1):
        whole.take(training, number)
        if number <= 10:
            half.take(training, number)
    resumed = Taught.restore(half.snapshot("acc_1"))
    for number, training in enumerate(trainings, 1):
        resumed.take(training, number)
    assert state(resumed) == state(whole)
    broken = half.snapshot("acc_1")
    for one in ({"form": VERSION + 1}, {"taught": b"x" * 8}, {"model": b"x"}):
        changed = type(broken)(**{f: getattr(broken, f) for f in broken.__struct_fields__} | one)
        with pytest.raises(NoSnapshotError):
            Taught.restore(changed)
