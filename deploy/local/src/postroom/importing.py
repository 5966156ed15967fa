"""`postroom import`: mails from files into a mailbox of the running system."""

import base64
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from rich.console import Console as Terminal
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn

from postroom import mail_files
from postroom.answers import AsJson, print_json, running_system
from postroom.errors import OperatorError
from postroom.mail_files import FoundMail

AT_ONCE = 200
BYTES_AT_ONCE = 4_000_000
NAMED = 20
FAILED = 1


@dataclass
class Totals:
    """What has become of the mails so far."""

    stored: int = 0
    known: int = 0
    skipped: list[dict[str, str]] = field(default_factory=list)

    def words(self) -> str:
        """The counts in short."""
        return f"{self.stored} stored, {self.known} known already, {len(self.skipped)} skipped"


def import_mails(path: Path, *, mailbox: str, aloud: bool = False, as_json: AsJson = False) -> int:
    """Bring mails from an mbox, a Maildir, .eml files or a directory of these into a mailbox.

    Each content is stored once: run it again to go on after an interruption. Mails keep their own
    dates; nobody is told of them. Exit code 0 when every mail is there, else 1.

    Parameters
    ----------
    path
        The file or directory.
    mailbox
        Into which: its id, its name or one of its addresses.
    aloud
        Tell people as of new mail: forums send copies to their members.
    as_json
        Print one JSON object.

    """
    system = running_system()
    box = _mailbox(system, mailbox)
    totals, began = Totals(), time.monotonic()
    try:
        total = mail_files.size_of(path)
    except OSError as error:
        raise OperatorError(f"{path}: {error.strerror}", "name a file or directory") from error
    columns = (
        TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TimeRemainingColumn(),
    )  # fmt: skip
    terminal = Terminal(stderr=True, highlight=False)
    with Progress(*columns, console=terminal, disable=not terminal.is_terminal) as progress:
        task = progress.add_task("reading", total=total)
        try:
            for batch, bytes_read in _batches(mail_files.read(path)):
                _send(system, box, batch, totals, aloud=aloud)
                rate = (totals.stored + totals.known) / max(time.monotonic() - began, 0.001)
                progress.update(
                    task, advance=bytes_read, description=f"{totals.words()}, {rate:.0f} a second"
                )
        except KeyboardInterrupt:
            print(f"{totals.words()}; run it again to go on", file=sys.stderr)
            raise
    _say(totals, time.monotonic() - began, as_json=as_json)
    return FAILED if totals.skipped else 0


def _mailbox(system: Any, wanted: str) -> str:
    found = [
        box["id"]
        for box in system.all("/mailboxes")
        if wanted in {box["id"], box["name"], box["source"]["login"], *box["source"]["addresses"]}
    ]
    if not found:
        raise OperatorError(f"there is no mailbox {wanted}", "look at `postroom mailbox list`")
    if len(found) > 1:
        raise OperatorError(f"{len(found)} mailboxes are called {wanted}", "name it by its id")
    return str(found[0])


def _batches(mails: Iterator[FoundMail]) -> Iterator[tuple[list[FoundMail], int]]:
    """Yield some mails at a time, with the bytes that were read for them."""
    batch: list[FoundMail] = []
    size = read = before = done = 0
    file = ""
    for mail in mails:
        name = mail.where.rpartition(", mail ")[0] or mail.where
        read += mail.read - (done if name == file else 0)
        file, done = name, mail.read
        if batch and (size + len(mail.raw) > BYTES_AT_ONCE or len(batch) == AT_ONCE):
            yield batch, before
            batch, size, read = [], 0, read - before
        batch.append(mail)
        size += len(mail.raw)
        before = read
    if batch:
        yield batch, read


def _send(system: Any, box: str, batch: list[FoundMail], totals: Totals, *, aloud: bool) -> None:
    sent = [mail for mail in batch if not mail.trouble]
    totals.skipped += [
        {"where": mail.where, "reason": mail.trouble} for mail in batch if mail.trouble
    ]
    if not sent:
        return
    messages = [{"raw": base64.b64encode(mail.raw).decode()} for mail in sent]
    answer = system.post(f"/mailboxes/{box}/import", messages=messages, aloud=aloud)
    totals.stored += answer["stored"]
    totals.known += answer["known"]
    for mail, outcome in zip(sent, answer["outcomes"], strict=True):
        if outcome["state"] == "skipped":
            totals.skipped.append({"where": mail.where, "reason": outcome["reason"]})


def _say(totals: Totals, seconds: float, *, as_json: bool) -> None:
    if as_json:
        print_json(
            {"stored": totals.stored, "known": totals.known, "skipped": totals.skipped,
             "seconds": round(seconds, 3)}
        )  # fmt: skip
        return
    rate = (totals.stored + totals.known) / max(seconds, 0.001)
    print(f"{totals.words()} in {seconds:.1f} s ({rate:.0f} a second)")
    for one in totals.skipped[:NAMED]:
        print(f"skipped: {one['where']}: {one['reason']}", file=sys.stderr)
    if len(totals.skipped) > NAMED:
        print(f"… and {len(totals.skipped) - NAMED} more (--json names all)", file=sys.stderr)
