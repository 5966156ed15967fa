"""How good ratings are: the two figures of `bench.spam`, and where the mails are."""

from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

CORPUS = Path(__file__).resolve().parents[3] / "shared" / "corpora" / "spamassassin-public"


@dataclass(frozen=True)
class Scored:
    """A mail of which we know what it is, and how it was rated: higher for spam."""

    spam: bool
    score: float


def one_minus_auc(found: Sequence[Scored]) -> float:
    """The share of pairs of a spam and a wanted mail that are in the wrong order; equal: half."""
    ham = sorted(one.score for one in found if not one.spam)
    spam = [one.score for one in found if one.spam]
    wrong = sum(2 * len(ham) - bisect_left(ham, one) - bisect_right(ham, one) for one in spam)
    return wrong / (2 * len(ham) * len(spam))


def caught(found: Sequence[Scored], false_alarms: float) -> float:
    """The share of spam above a limit that at most this share of the wanted mails is above."""
    ham = sorted((one.score for one in found if not one.spam), reverse=True)
    limit = ham[int(false_alarms * len(ham))]
    spam = [one.score for one in found if one.spam]
    return sum(one > limit for one in spam) / len(spam)
