"""What one account has learnt about spam: counts, and the rating of a mail by them.

Laws:
1. A model is a function of the multiset of its trainings: their order does not matter, and
   `forget` is the exact inverse of `learn`. Equal multisets have equal snapshots.
2. It is bounded: SLOTS counters, 8 MB however many mails were learnt, and some 2.5 MB as a
   snapshot. Tokens share a counter where their hashes do. In an old account that learnt 100,000
   mails, rare tokens should therefore come to look like the average mail, and what looks average
   counts as nothing, while the frequent ones keep their say. (Argued, not measured.)
3. Nothing is known before something was learnt: with fewer than ENOUGH mails of either kind there
   is no rating.

How a mail is rated: each token gives the logarithm of how much more often it was in spam than in
wanted mail (one that was never seen or leans to no side gives nothing). Each aspect gives the mean
of its tokens, so that a long text or a newsletter's hundreds of tags weigh no more than a short
subject, and the rating is the logistic function of the weighted sum of the aspects. The
numbers were compared on the mails of 2002 alone (`tests/bench/spam_tuning.py`); see `bench.spam`.
"""

import math
import zlib
from array import array
from collections.abc import Iterable, Iterator, Sequence
from itertools import accumulate, chain, pairwise, repeat
from operator import mul
from typing import Final

import msgspec

from postroom_rules.domain.spam_tokens import VERSION, Tokens, hashes

SLOTS: Final = 1 << 20
ENOUGH: Final = 10
EVIDENCE: Final = 10
DOUBT: Final = 10
"""With so many mails of the rarer kind, half as sure as with very many."""


class Tuning(msgspec.Struct, frozen=True):
    """The numbers of the rating."""

    weights: tuple[float, ...] = (4.0, 1.5, 2.0, 1.0, 0.6, 0.1, 1.0, 2.0)
    """Of each of ASPECTS."""
    unseen: float = 0.05
    """What a token counts in the kind of mail in which it never was."""
    least: float = 0.5
    """Tokens that lean less (in natural logarithms) say nothing."""
    calm: tuple[float, ...] = (5.0, 5.0, 5.0, 15.0, 15.0, 5.0, 15.0, 5.0)
    """So many tokens that say nothing are added to each aspect: few tokens prove little.

    More of them where tokens are names (of hosts, headers, links): of a stranger the few that are
    known are as good as drawn by lot, of somebody known there are many.
    """
    steep: float = 0.5
    """How fast the sum becomes certainty."""


TUNING: Final = Tuning()


class Evidence(msgspec.Struct, frozen=True):
    """A token that weighed: above zero for spam; in so many spam and wanted mails it was learnt."""

    token: str
    weight: float
    spam: int
    ham: int


class Rating(msgspec.Struct, frozen=True):
    """0 (wanted) to 100 (spam), not rounded, and what weighed most, the heaviest first."""

    score: float
    evidence: tuple[Evidence, ...]


class NotLearntError(ValueError):
    """A mail was to be forgotten that was not learnt as that."""


class NoSnapshotError(ValueError):
    """These octets are no snapshot of a model of this version: fold the trainings again."""


_HAM_BITS: Final = 32
_ONE_SPAM: Final = 1 << _HAM_BITS
_HAM: Final = _ONE_SPAM - 1
_SPARSE: Final = 4_000
"""So many counters are kept in a dictionary (some 6 MB); more make the whole array."""
_MAGIC: Final = b"postroom-spam"


class Model:
    """What an account has learnt. Not for two threads at once."""

    def __init__(self, tuning: Tuning = TUNING) -> None:
        self.spam = self.ham = 0
        """Mails learnt."""
        self._tuning = tuning
        # A counter is spam << 32 | ham, of mails; those at zero are not in the dictionary.
        self._sparse: dict[int, int] = {}
        self._whole: array[int] | None = None
        self._leans: _Leans | None = None

    def learn(self, found: Tokens, *, spam: bool) -> None:
        """Take a mail as spam or as wanted."""
        one = _ONE_SPAM if spam else 1
        self._count(spam, 1)
        if self._whole is None:
            counters, get = self._sparse, self._sparse.get
            for slot in _slots(found):
                counters[slot] = get(slot, 0) + one
            self._widen()
        else:
            for slot in _slots(found):
                self._whole[slot] += one

    def forget(self, found: Tokens, *, spam: bool) -> None:
        """Undo `learn` of the same tokens. NotLearntError when that cannot be; nothing changed."""
        slots = _slots(found)
        counts = list(zip(slots, self._counts(slots), strict=True))
        if not (self.spam if spam else self.ham) or not all(
            count >> _HAM_BITS if spam else count & _HAM for _, count in counts
        ):
            raise NotLearntError(f"it was not learnt as {'spam' if spam else 'wanted'}")
        one = _ONE_SPAM if spam else 1
        self._count(spam, -1)
        for slot, count in counts:
            if self._whole is not None:
                self._whole[slot] = count - one
            elif count == one:
                del self._sparse[slot]
            else:
                self._sparse[slot] = count - one

    def rate(self, found: Tokens) -> Rating | None:
        """Rate a mail; None while too little was learnt. Evidence needs the tokens' texts."""
        if not self.knows:
            return None
        if self._leans is None:
            self._leans = _Leans(self.spam, self.ham, self._tuning)
        counts = self._counts(list(map((SLOTS - 1).__and__, hashes(found))))
        leans = list(map(self._leans.__getitem__, counts))
        total, shares = 0.0, list[float]()
        bounds = pairwise(accumulate(found.sizes, initial=0))
        numbers = zip(bounds, self._tuning.weights, self._tuning.calm, strict=True)
        for (start, end), weight, calm in numbers:
            mine = leans[start:end]
            share = weight / (len(mine) - mine.count(0.0) + calm)
            total += share * sum(mine)
            shares.append(share)
        fewer = min(self.spam, self.ham)
        sure = self._tuning.steep * fewer / (fewer + DOUBT)
        return Rating(_percent(sure * total), _evidence(found, counts, leans, shares))

    @property
    def knows(self) -> bool:
        """Whether enough was learnt to rate anything."""
        return min(self.spam, self.ham) >= ENOUGH

    def snapshot(self) -> bytes:
        """Return the model as octets: the same for the same multiset of trainings."""
        kept = sorted(self._nonzero())
        steps = array("I", _steps(slot for slot, _ in kept))
        spam = array("I", (count >> _HAM_BITS for _, count in kept))
        ham = array("I", (count & _HAM for _, count in kept))
        head = msgspec.msgpack.encode((VERSION, SLOTS, self.spam, self.ham, len(kept)))
        columns = b"".join(map(_columns, (steps, spam, ham)))
        return _MAGIC + bytes([len(head)]) + head + zlib.compress(columns, 6)

    @classmethod
    def restore(cls, octets: bytes, tuning: Tuning = TUNING) -> "Model":
        """Return the model of a snapshot; NoSnapshotError when it is none of this version."""
        try:
            start = len(_MAGIC) + 1
            end = start + octets[len(_MAGIC)]
            if not octets.startswith(_MAGIC):
                raise NoSnapshotError("these octets are not a model")
            head = msgspec.msgpack.decode(octets[start:end], type=tuple[int, int, int, int, int])
            version, slots, spam, ham, kept = head
            if (version, slots) != (VERSION, SLOTS) or not 0 <= kept <= SLOTS:
                raise NoSnapshotError("the model is of another version")
            columns = zlib.decompressobj().decompress(octets[end:], 12 * kept)
            steps, spams, hams = (_column(columns, kept, n) for n in range(3))
        except (IndexError, msgspec.DecodeError, zlib.error, ValueError) as error:
            if isinstance(error, NoSnapshotError):
                raise
            raise NoSnapshotError(f"the model cannot be read ({error})") from error
        made = cls(tuning)
        made.spam, made.ham = spam, ham
        counts = (one << _HAM_BITS | other for one, other in zip(spams, hams, strict=True))
        made._sparse = dict(zip(_sums(steps), counts, strict=True))
        if made._sparse and max(made._sparse) >= SLOTS:
            raise NoSnapshotError("the model has a counter too many")
        made._widen()
        return made

    def _count(self, spam: bool, step: int) -> None:
        self._leans = None
        if spam:
            self.spam += step
        else:
            self.ham += step

    def _counts(self, slots: Sequence[int]) -> list[int]:
        if self._whole is not None:
            return list(map(self._whole.__getitem__, slots))
        get = self._sparse.get
        return [get(slot, 0) for slot in slots]

    def _widen(self) -> None:
        if len(self._sparse) > _SPARSE:
            self._whole = array("Q", bytes(8 * SLOTS))
            for slot, count in self._sparse.items():
                self._whole[slot] = count
            self._sparse = {}

    def _nonzero(self) -> Iterable[tuple[int, int]]:
        if self._whole is None:
            return self._sparse.items()
        return ((slot, count) for slot, count in enumerate(self._whole) if count)


class _Leans(dict[int, float]):
    """From a counter to how its tokens lean, computed once each: few different ones occur."""

    def __init__(self, spam: int, ham: int, tuning: Tuning) -> None:
        super().__init__({0: 0.0})
        self._unseen, self._least = tuning.unseen, tuning.least
        self._base = math.log((ham + 2 * tuning.unseen) / (spam + 2 * tuning.unseen))

    def __missing__(self, count: int) -> float:
        spam, ham = (count >> _HAM_BITS) + self._unseen, (count & _HAM) + self._unseen
        lean = math.log(spam / ham) + self._base
        self[count] = lean = lean if abs(lean) >= self._least else 0.0
        return lean


def _slots(found: Tokens) -> list[int]:
    """Return the counters of a mail, each once: a counter counts mails."""
    return sorted(set(map((SLOTS - 1).__and__, hashes(found))))


def _percent(total: float) -> float:
    # Beyond 700 the exponential of a double ends.
    return 100.0 / (1.0 + math.exp(-max(-700.0, min(700.0, total))))


def _evidence(
    found: Tokens, counts: Sequence[int], leans: Sequence[float], shares: Sequence[float]
) -> tuple[Evidence, ...]:
    if not found.texts:
        return ()
    shared = chain.from_iterable(map(repeat, shares, found.sizes))
    weights = list(map(mul, leans, shared))
    sizes = list(map(abs, weights))
    least = sorted(sizes)[-EVIDENCE:][0]
    heaviest = [n for n, size in enumerate(sizes) if size >= least and size]
    heaviest.sort(key=sizes.__getitem__, reverse=True)
    texts = found.texts.split("\n")
    return tuple(
        Evidence(texts[n], weights[n], counts[n] >> _HAM_BITS, counts[n] & _HAM)
        for n in heaviest[:EVIDENCE]
    )


def _steps(slots: Iterable[int]) -> Iterator[int]:
    last = 0
    for slot in slots:
        yield slot - last
        last = slot


def _sums(steps: Iterable[int]) -> Iterable[int]:
    return accumulate(steps)


def _columns(numbers: "array[int]") -> bytes:
    """Return 32-bit numbers as four columns of octets: the high ones are nearly all zero."""
    octets = numbers.tobytes()
    return b"".join(octets[n::4] for n in range(4))


def _column(columns: bytes, size: int, which: int) -> "array[int]":
    mine = columns[which * 4 * size : (which + 1) * 4 * size]
    if len(mine) != 4 * size:
        raise NoSnapshotError("the model is cut")
    octets = bytearray(4 * size)
    for n in range(4):
        octets[n::4] = mine[n * size : (n + 1) * size]
    return array("I", bytes(octets))
