"""What the spam filter was taught, and its state: the streams TRAIN and MODELS.

Law: an account's model is a fold over its messages in TRAIN, one for each mail, whatever their
order; a snapshot is that fold up to a sequence, and may be thrown away.
"""

from datetime import datetime

import msgspec


class Training(msgspec.Struct, frozen=True, kw_only=True):
    """What holds of one mail. In JSON, bytes are base64."""

    account: str
    mail: str
    spam: bool | None
    """None: what was taught is forgotten."""
    tokens: bytes
    """As the filter made them of the mail; the same as long as the mail is in TRAIN."""
    form: int
    """Which version of the filter made them: those of another one are left out."""
    by: str
    at: datetime


class ModelSnapshot(msgspec.Struct, frozen=True, kw_only=True):
    """The filter of an account, having counted its trainings up to and with `sequence`."""

    account: str
    sequence: int
    form: int
    taught: bytes
    """Which mails count, and as what: octets in groups of 9, the first 8 of the SHA-256 of the
    mail's id, and 1 for spam or 0."""
    model: bytes
