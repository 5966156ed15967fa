"""What rules want done to a mail on its server."""

from collections.abc import Collection, Sequence

import msgspec

from postroom_contract.rules import ServerFlag


class Arrangement(msgspec.Struct, frozen=True, kw_only=True):
    """One mail, by where it was fetched from."""

    command: str
    folder: str
    uidvalidity: str
    key: str
    flags: tuple[ServerFlag, ...] = ()
    move_to: str = ""


class Steps(msgspec.Struct, frozen=True):
    """What to do in one folder, flags first: a mail that has moved has another number."""

    flags: dict[ServerFlag, list[str]]
    moves: dict[str, list[str]]
    done: list[str]
    """The commands that need nothing more when all of it is done."""


def steps(wanted: Sequence[Arrangement], folder: str, uidvalidity: str) -> Steps:
    """Return what to do in this folder; what was numbered otherwise is given up."""
    here = [one for one in wanted if one.folder == folder]
    found = Steps({}, {}, [one.command for one in here])
    for one in here:
        if one.uidvalidity != uidvalidity:
            continue
        for flag in one.flags:
            found.flags.setdefault(flag, []).append(one.key)
        if one.move_to:
            found.moves.setdefault(one.move_to, []).append(one.key)
    return found


def elsewhere(wanted: Sequence[Arrangement], folders: Collection[str]) -> list[str]:
    """Return the commands about folders that are no longer fetched from."""
    return [one.command for one in wanted if one.folder not in folders]
