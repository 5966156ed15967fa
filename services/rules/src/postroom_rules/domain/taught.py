"""An account's spam filter as a fold over what it was taught (DESIGN §3, TRAIN).

Laws:
1. `take` gives the same filter for the same trainings, one for each mail, whatever their order; a
   mail that is taught anew first loses what it counted as.
2. A sequence is taken once, and never an older one after it.
"""

import hashlib
from collections.abc import Iterator
from typing import Final

import msgspec

from postroom_contract.rules import Reason
from postroom_contract.training import ModelSnapshot, Training
from postroom_rules.domain.rating import Opinion
from postroom_rules.domain.spam_model import Model, NoSnapshotError
from postroom_rules.domain.spam_tokens import VERSION, Tokens

_KEY: Final = 8
_RECORD: Final = _KEY + 1


class Taught:
    """The model, and which mails count in it as what. Not for two threads at once."""

    def __init__(self) -> None:
        self.sequence = 0
        """Of the last training that was taken."""
        self.model = Model()
        self._mails: dict[bytes, bool] = {}

    def take(self, training: Training, sequence: int) -> bool:
        """Count a training; False when it is an old one."""
        if sequence <= self.sequence:
            return False
        self.sequence = sequence
        if training.form != VERSION:
            return True
        found = tokens_of(training)
        key = hashlib.sha256(training.mail.encode()).digest()[:_KEY]
        before = self._mails.pop(key, None)
        if before is not None:
            self.model.forget(found, spam=before)
        if training.spam is not None:
            self.model.learn(found, spam=training.spam)
            self._mails[key] = training.spam
        return True

    def opinion(self, found: Tokens) -> Opinion | None:
        """Return what the filter thinks of a mail.

        None while it has learnt too little, and of a mail that it saw nothing of.
        """
        rating = self.model.rate(found) if found.hashes else None
        if rating is None:
            return None
        reasons = tuple(
            Reason(source="filter", words=one.token, weight=round(one.weight, 2))
            for one in rating.evidence
        )
        return Opinion("filter", round(rating.score), reasons)

    def snapshot(self, account: str) -> ModelSnapshot:
        """Return all of it as a document."""
        taught = b"".join(key + bytes([spam]) for key, spam in sorted(self._mails.items()))
        return ModelSnapshot(
            account=account,
            sequence=self.sequence,
            form=VERSION,
            taught=taught,
            model=self.model.snapshot(),
        )

    @classmethod
    def restore(cls, snapshot: ModelSnapshot) -> "Taught":
        """Return the filter of a snapshot; NoSnapshotError when it is of another version."""
        if snapshot.form != VERSION or len(snapshot.taught) % _RECORD:
            raise NoSnapshotError("the snapshot is of another version")
        made = cls()
        made.sequence = snapshot.sequence
        made.model = Model.restore(snapshot.model)
        made._mails = dict(_records(snapshot.taught))
        return made


def _records(taught: bytes) -> Iterator[tuple[bytes, bool]]:
    for start in range(0, len(taught), _RECORD):
        yield taught[start : start + _KEY], bool(taught[start + _KEY])


def packed(found: Tokens) -> bytes:
    """Return tokens as a training keeps them: without their texts."""
    return msgspec.msgpack.encode(msgspec.structs.replace(found, texts=""))


def tokens_of(training: Training) -> Tokens:
    """Return the tokens that a training keeps."""
    return msgspec.msgpack.decode(training.tokens, type=Tokens)
