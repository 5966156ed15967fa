"""What becomes of a mail on its server once it is stored."""

from typing import Self

import msgspec

from postroom_contract.documents import FetchSource


class After(msgspec.Struct, frozen=True, kw_only=True):
    """Nothing, unless something is said. A mail that moves is not deleted."""

    delete_at_once: bool = False
    delete_days: int = 0
    """Days after storing; 0 = this is not wanted."""
    mark_read: bool = False
    move_to: str = ""

    @classmethod
    def of(cls, source: FetchSource) -> Self:
        """Return what a mailbox's settings say."""
        deletes = source.delete_after and not source.move_to
        return cls(
            delete_at_once=deletes and not source.delete_after_days,
            delete_days=source.delete_after_days if deletes else 0,
            mark_read=source.mark_read,
            move_to=source.move_to,
        )

    @property
    def at_once(self) -> bool:
        """Whether each mail is dealt with as soon as it is stored."""
        return self.delete_at_once or self.mark_read or bool(self.move_to)

    @property
    def writes(self) -> bool:
        """Whether anything is changed on the server."""
        return self.at_once or self.delete_days > 0
