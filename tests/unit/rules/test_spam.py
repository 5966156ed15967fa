"""The spam filter: what it sees of a mail, what it learns, how it rates."""

import random

import msgspec
import pytest

from postroom_mail.read import framed, read
from postroom_rules.domain.spam_model import (
    _SPARSE,
    ENOUGH,
    EVIDENCE,
    SLOTS,
    Model,
    NoSnapshotError,
    NotLearntError,
)
from postroom_rules.domain.spam_tokens import (
    ASPECTS,
    MAX_TOKEN,
    MAX_TOKENS,
    MOST,
    NO_TOKENS,
    Tokens,
    framed_tokens,
    hashes,
    many_framed_tokens,
    read_framed_with_tokens,
)

OFFERS = ("pills", "casino", "loan", "watches", "diploma", "lottery", "refinance", "viagra")
TOPICS = ("agenda", "roses", "compost", "meeting", "harvest", "seedlings", "minutes", "fence")


def spam(number: int) -> bytes:
    draw = random.Random(f"spam {number}")
    offer, other = draw.sample(OFFERS, 2)
    return (
        f"From: Best {offer} <x{draw.randrange(10**6)}@shop{number}.example>\n"
        f"To: you@example.org\nSubject: {offer.upper()} at HALF price!!!\n"
        f"Message-ID: <{draw.randrange(10**9)}@mx.example>\nContent-Type: text/html\n\n"
        f"<html><body bgcolor=red><font size=7>Buy {offer} and {other} NOW!!!</font>"
        f'<a href="http://10.1.2.{number % 250}/{offer}?id={number}">click here</a></body></html>'
    ).encode()


def ham(number: int) -> bytes:
    draw = random.Random(f"ham {number}")
    topic, other = draw.sample(TOPICS, 2)
    return (
        f"From: Anna {topic} <anna{number}@garden.example>\nTo: list@example.org\n"
        f"Subject: Re: {topic} and {other}\nIn-Reply-To: <{number}@garden.example>\n"
        f"Message-ID: <a.{number}@garden.example>\n\n"
        f"Hello all,\nshall we talk about the {topic} on Monday, and bring {other}?\n-- \nAnna\n"
    ).encode()


def tokens(raw: bytes) -> Tokens:
    return framed_tokens(framed(raw, ""))


def learnt(spams: int, hams: int) -> Model:
    model = Model()
    for number in range(spams):
        model.learn(tokens(spam(number)), spam=True)
    for number in range(hams):
        model.learn(tokens(ham(number)), spam=False)
    return model


def test_spam_and_wanted_mail_are_told_apart() -> None:
    model = learnt(30, 30)
    for number in range(100, 150):
        wanted, unwanted = model.rate(tokens(ham(number))), model.rate(tokens(spam(number)))
        assert wanted is not None
        assert unwanted is not None
        assert wanted.score < 10
        assert unwanted.score > 90


def test_the_evidence_is_readable_and_the_heaviest_comes_first() -> None:
    rating = learnt(30, 30).rate(tokens(spam(100)))
    assert rating is not None
    weights = [abs(one.weight) for one in rating.evidence]
    assert len(weights) == EVIDENCE
    assert weights == sorted(weights, reverse=True)
    assert {"Buy", "NOW"} <= {one.token for one in rating.evidence}
    assert all(one.spam > one.ham for one in rating.evidence if one.weight > 0)


def test_there_is_no_evidence_without_texts_and_the_score_is_the_same() -> None:
    model, seen = learnt(ENOUGH, ENOUGH), tokens(spam(100))
    with_texts, without = model.rate(seen), model.rate(Tokens(seen.hashes, seen.sizes))
    assert with_texts is not None
    assert without is not None
    assert (without.score, without.evidence) == (with_texts.score, ())


@pytest.mark.parametrize(("spams", "hams"), [(0, 0), (ENOUGH - 1, 50), (50, ENOUGH - 1)])
def test_too_little_learnt_is_no_rating(spams: int, hams: int) -> None:
    assert learnt(spams, hams).rate(tokens(spam(100))) is None


def test_little_learnt_is_little_certainty() -> None:
    few, many = learnt(ENOUGH, ENOUGH).rate(tokens(spam(99))), learnt(60, 60).rate(tokens(spam(99)))
    assert few is not None
    assert many is not None
    assert few.score < many.score


def test_a_mail_without_tokens_is_unsure() -> None:
    rating = learnt(ENOUGH, ENOUGH).rate(NO_TOKENS)
    assert rating is not None
    assert (rating.score, rating.evidence) == (50.0, ())


@pytest.mark.parametrize("before", [0, 20])
def test_to_forget_is_never_to_have_learnt(before: int) -> None:
    model = learnt(before, before)
    octets = model.snapshot()
    for raw, is_spam in ((spam(500), True), (ham(500), False), (spam(501), False)):
        model.learn(tokens(raw), spam=is_spam)
    for raw, is_spam in ((spam(500), True), (ham(500), False), (spam(501), False)):
        model.forget(tokens(raw), spam=is_spam)
    assert model.snapshot() == octets


def test_to_forget_what_was_never_learnt_changes_nothing() -> None:
    model = learnt(3, 3)
    octets = model.snapshot()
    for raw, is_spam in ((spam(500), True), (spam(1), False), (ham(1), True)):
        with pytest.raises(NotLearntError):
            model.forget(tokens(raw), spam=is_spam)
    assert model.snapshot() == octets


def test_the_order_of_trainings_does_not_matter() -> None:
    trainings = [(tokens(make(n)), make is spam) for n in range(30) for make in (spam, ham)]
    snapshots = set()
    for seed in range(3):
        model = Model()
        for seen, is_spam in random.Random(seed).sample(trainings, len(trainings)):
            model.learn(seen, spam=is_spam)
        snapshots.add(model.snapshot())
    assert len(snapshots) == 1


def _many(model: Model, mails: int) -> list[Tokens]:
    """Learn mails of 200 tokens drawn from all hashes."""
    draw = random.Random(1)
    made = [Tokens(draw.randbytes(800), (200, *(0,) * (len(ASPECTS) - 1))) for _ in range(mails)]
    for number, one in enumerate(made):
        model.learn(one, spam=number % 2 == 0)
    return made


def test_a_big_model_keeps_the_laws_and_is_bounded() -> None:
    model = learnt(12, 12)
    small = model.snapshot()
    made = _many(model, 60)  # 12,000 counters: no longer sparse
    assert model._whole is not None
    assert len(model._whole) == SLOTS
    octets = model.snapshot()
    again = Model.restore(octets)
    assert again.snapshot() == octets
    assert again.rate(tokens(spam(7))) == model.rate(tokens(spam(7)))
    for number, one in enumerate(made):
        again.forget(one, spam=number % 2 == 0)
    assert again.snapshot() == small
    assert len(small) < 4_000


def test_a_snapshot_is_the_model() -> None:
    model = learnt(15, 12)
    again = Model.restore(model.snapshot())
    assert (again.spam, again.ham) == (15, 12)
    assert len(again._sparse) <= _SPARSE
    assert again.rate(tokens(ham(77))) == model.rate(tokens(ham(77)))
    assert Model.restore(Model().snapshot()).snapshot() == Model().snapshot()


def test_what_is_no_snapshot_is_said() -> None:
    octets = learnt(3, 3).snapshot()
    for wrong in (
        b"",
        b"x",
        octets[:20],
        octets[:-9],
        b"y" + octets[1:],
        octets[:13] + b"\xff" * 40,
    ):
        with pytest.raises(NoSnapshotError):
            Model.restore(wrong)


HOSTILE = {
    "nothing": b"",
    "no text": b"Subject: x\n\n",
    "no header": b"\n\nwords without a header",
    "one word": b"Subject: x\n\n" + b"a" * (8 * 1024 * 1024),
    "a word again and again": b"Subject: x\n\n" + b"word " * 1_000_000,
    "a million words": b"Subject: x\n\n" + b" ".join(b"w%d" % n for n in range(1_000_000)),
    "only HTML": b"Content-Type: text/html\n\n<p>Buy <b>pills</b>",
    "open tags": b"Content-Type: text/html\n\n" + b"<a " * 300_000,
    "links": b"Subject: x\n\n" + b"http://a.example/b?c " * 100_000,
    "links to nothing": b"Subject: x\n\n" + b"://" * 300_000,
    "controls": b"Subject: \x00\x01\x02\x1f\n\n" + bytes(range(256)) * 500,
    "unknown charset": b'Content-Type: text/plain; charset="no-such"\n\n\xff\xfe\x80 caf\xe9',
    "invalid UTF-8": b"Content-Type: text/plain; charset=utf-8\n\n" + b"\xc3\x28\xff" * 9_000,
    "many headers": b"".join(b"X-%d: %d\n" % (n, n) for n in range(900)) + b"\nx",
    "many recipients": b"To: " + b", ".join(b"a%d@x.example" % n for n in range(5_000)) + b"\n\nx",
    "long header": b"Received: from " + b"a." * 30_000 + b"\nSubject: " + b"!" * 60_000 + b"\n\nx",
    "long parts": b"From: " + b"a" * 50_000 + b"@" + b"b" * 50_000 + b"\nDate: " + b"9a" * 30_000,
    "Chinese": "Subject: 你好\n\n".encode() + ("发票" * 20_000).encode(),
}  # fmt: skip


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_mail_stays_in_bounds(name: str) -> None:
    seen = tokens(HOSTILE[name])
    texts = seen.texts.split("\n")
    assert len(texts) == sum(seen.sizes) == len(hashes(seen)) <= MAX_TOKENS
    assert all(size <= MOST[aspect] for aspect, size in zip(ASPECTS, seen.sizes, strict=True))
    assert all(0 < len(one) <= MAX_TOKEN for one in texts)
    model = learnt(ENOUGH, ENOUGH)
    assert model.rate(seen) is not None
    before = model.snapshot()
    model.learn(seen, spam=True)
    model.forget(seen, spam=True)
    assert model.snapshot() == before


def test_the_mail_read_for_rules_brings_the_same_tokens() -> None:
    for raw in (spam(1), ham(1), *HOSTILE.values()):
        both = read_framed_with_tokens(framed(raw, ""))
        assert both.tokens == tokens(raw)
        assert both.mail == read(raw)


def test_mails_in_bulk_have_the_tokens_of_each() -> None:
    tasks = [framed(raw, "") for raw in (spam(1), ham(1), b"")]
    found = many_framed_tokens(msgspec.msgpack.encode(tasks))
    each = [framed_tokens(one) for one in tasks]
    assert [(one.hashes, one.sizes) for one in found] == [(one.hashes, one.sizes) for one in each]


def test_tokens_are_those_of_every_machine() -> None:
    """A change here is a new VERSION: kept trainings would be forgotten as others than learnt."""
    seen = tokens(b"From: A <a@b.example>\nSubject: Half price\n\nBuy now!!! http://b.example/x\n")
    texts = seen.texts.split("\n")
    assert {"Buy", "!!!", "subject: half price", "from: @b.example", "link: b.example"} <= {*texts}
    assert "from: and links agree" in texts
    assert hashes(seen)[texts.index("Buy")] == 0xF7CEC497


def test_other_filters_verdicts_are_not_looked_at() -> None:
    texts = tokens(b"X-Spam-Status: Yes\nX-Other: 1\n\nx").texts.split("\n")
    assert "header: x-other" in texts
    assert not [one for one in texts if "spam" in one]


def test_each_two_characters_of_scripts_without_spaces_are_a_word() -> None:
    assert {"发票", "票代"} <= set(tokens("\n发票代开".encode()).texts.split("\n"))
