"""Ids and subjects."""

import base64
import hashlib
import random

import pytest

from postroom_contract import ids, streams, subjects


@pytest.mark.parametrize("number", range(50))
def test_ids_are_base32_of_rfc_4648(number: int) -> None:
    chance = random.Random(number).randbytes(10)
    digest = hashlib.sha256(len(chance).to_bytes(8, "big") + chance).digest()
    assert ids.short_hash(chance) == base64.b32encode(digest).decode().lower()[:26]
    when = 1_700_000_000_000 + number
    ordered = base64.b32hexencode(when.to_bytes(6, "big") + chance).decode().lower()
    assert ids.fresh_id("msg", when, chance) == f"msg_{ordered.rstrip('=')}"


def test_a_derived_id_depends_on_its_parts_and_their_borders() -> None:
    assert ids.derived_id("msg", "a", "bc") == ids.derived_id("msg", "a", "bc")
    assert ids.derived_id("msg", "a", "bc") != ids.derived_id("msg", "ab", "c")
    assert len(ids.derived_id("msg", "a")) == len("msg_") + 26


def test_fresh_ids_sort_by_time() -> None:
    made = [ids.fresh_id("evt", moment, b"\xff" * 10) for moment in (1, 2, 31, 32, 1_000, 2**40)]
    assert made == sorted(made)
    assert ids.fresh_id("evt", 5, b"\x00" * 10) < ids.fresh_id("evt", 6, b"\x00" * 10)


def test_entropy_of_the_wrong_length_is_refused() -> None:
    with pytest.raises(ValueError, match="10 bytes"):
        ids.fresh_id("evt", 1, b"x")


@pytest.mark.parametrize("token", ["", "a.b", "a b", "*", ">", "a\n"])
def test_what_cannot_be_a_token_is_refused(token: str) -> None:
    with pytest.raises(ValueError, match="subject token"):
        subjects.intake(0, "acc", token)


def test_every_subject_belongs_to_exactly_one_stream() -> None:
    made = [
        subjects.intake(0, "a", "m"),
        subjects.intake(1, "a", "m"),
        subjects.event("a", "m", "mail.sorted", "x"),
        subjects.command("a", "smtp", "deliver", "x"),
        subjects.schedule("a", "smtp", "x"),
        subjects.outbox("a", "x"),
        subjects.progress("x"),
        subjects.dead("a", "smtp"),
        subjects.config("address.x"),
    ]
    for subject in made:
        owners = [s.name for s in streams.STREAMS if any(covers(p, subject) for p in s.subjects)]
        assert len(owners) == 1, (subject, owners)


def covers(pattern: str, subject: str) -> bool:
    wanted, have = pattern.split("."), subject.split(".")
    for index, part in enumerate(wanted):
        if part == ">":
            return len(have) > index
        if index >= len(have) or part not in {"*", have[index]}:
            return False
    return len(wanted) == len(have)
