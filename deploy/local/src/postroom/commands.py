"""The commands that talk to a running system; cli.py names them."""

import os
import sys
from email.message import EmailMessage
from email.policy import SMTP
from pathlib import Path
from typing import Annotated, Any

import cyclopts
import msgspec
from rich.console import Console as Terminal
from rich.table import Table

from postroom.config import home_path
from postroom.errors import OperatorError
from postroom.home import Home

FAILED = 1
AsJson = Annotated[bool, cyclopts.Parameter(name="--json", negative="")]

mailbox = cyclopts.App(name="mailbox", help="Mailboxes of the running system.")
rules = cyclopts.App(name="rules", help="Rules of the running system.")
setaside = cyclopts.App(name="setaside", help="What no service could take.")


def _client() -> Any:
    from postroom.client import Client  # late: `--help` is quick

    return Client(Home(home_path(os.environ)))


def _json(value: object) -> None:
    print(msgspec.json.format(msgspec.json.encode(value)).decode())


def _table(columns: list[str], rows: list[list[str]]) -> None:
    table = Table(*columns, box=None, pad_edge=False)
    for row in rows:
        table.add_row(*row)
    Terminal(highlight=False).print(table)


def send(
    to: str,
    *,
    sender: str = "someone@example.org",
    subject: str = "Hello",
    file: Path | None = None,
) -> None:
    """Send a mail to this machine's SMTP server: FILE (.eml), or a line or two.

    Parameters
    ----------
    to
        Recipient address.
    sender
        Envelope sender, and From unless a file is given.
    subject
        Subject of the mail that is made when no file is given.
    file
        A mail to send as it is.

    """
    client = _client()
    if file is None:
        mail = EmailMessage(policy=SMTP)
        mail["From"], mail["To"], mail["Subject"] = sender, to, subject
        mail.set_content("Sent by `postroom send`.\n")
        raw = mail.as_bytes()
    else:
        raw = _read(file).replace(b"\r\n", b"\n").replace(b"\n", b"\r\n")
    client.send(sender, [to], raw)
    print(f"accepted for {to}", file=sys.stderr)


def _read(file: Path) -> bytes:
    try:
        return file.read_bytes()
    except OSError as error:
        raise OperatorError(f"cannot read {file}: {error.strerror}", "name an .eml file") from error


@mailbox.command(name="list")
def list_mailboxes(*, as_json: AsJson = False) -> None:
    """List mailboxes with their state."""
    found = _client().get("/mailboxes?limit=200")["data"]
    if as_json:
        _json(found)
        return
    rows = []
    for box in found:
        check = box["last_check"]
        where = ", ".join(box["source"]["addresses"]) or box["source"]["host"]
        state = (check or {}).get("state", "open" if box["source"]["type"] == "smtp" else "new")
        rows.append([box["id"], box["name"], box["source"]["type"], where, state])
    _table(["id", "name", "type", "where", "state"], rows)


@mailbox.command
def receive(mailbox_id: str) -> None:
    """Look for new mail now."""
    answer = _client().post(f"/mailboxes/{mailbox_id}/receive")
    words = "checking now" if answer["started"] else "a check is under way already"
    print(words, file=sys.stderr)


@rules.command(name="test")
def try_rules(file: Path, *, mailbox_id: str, as_json: AsJson = False) -> None:
    """Say what the rules in force would do with FILE (.eml), had it come to a mailbox.

    Parameters
    ----------
    file
        The mail.
    mailbox_id
        The mailbox (`postroom mailbox list`).
    as_json
        Print one JSON object.

    """
    raw = _read(file).decode("utf-8", "surrogateescape").encode("utf-8", "replace").decode()
    trial = _client().post("/rules/try", mailbox=mailbox_id, raw=raw)
    if as_json:
        _json(trial)
        return
    decision = trial["decision"]
    print(f"{trial['summary']['subject']}: importance {decision['importance']}")
    for rule in decision["trace"]:
        print(f"{'✓' if rule['matched'] else '✗'} {rule['name']}")
        for condition in rule["conditions"]:
            mark = "✓" if condition["matched"] else "✗"
            print(f"    {mark} {condition['condition']} (it was “{condition['value']}”)")
        for done in rule["done"]:
            print(f"    → {done}")


@setaside.command(name="list")
def list_set_aside(*, as_json: AsJson = False) -> None:
    """List what was set aside, with the reason."""
    found = _client().get("/set-aside", limit=200)["data"]
    if as_json:
        _json(found)
        return
    rows = [
        [one["id"], one["service"], one["reason"], "again" if one["redone_at"] else ""]
        for one in found
    ]
    _table(["id", "service", "reason", "tried"], rows)


@setaside.command
def retry(entry: str) -> None:
    """Try again what was set aside."""
    _client().post(f"/set-aside/{entry}/redo")
    print("the service tries again", file=sys.stderr)


def demo(*, yes: Annotated[bool, cyclopts.Parameter(name="--yes", negative="")] = False) -> int:
    """Fill the running system with a forum, a mailbox with rules and some mail.

    Parameters
    ----------
    yes
        Do it although a relay is set and copies would go out (to example.* addresses).

    """
    from postroom import demo as story

    client = _client()
    if client.relay and not yes:
        raise OperatorError(
            f"a relay is set ({client.relay}): the demo's mail would leave this machine",
            "start without it, or say --yes",
        )
    print(story.run(client), file=sys.stderr)
    return 0


def doctor(*, as_json: AsJson = False) -> int:
    """Check ports, services, broker, database and clock; exit code 1 when something is wrong."""
    import asyncio

    from postroom.doctor import examine

    found = asyncio.run(examine(Home(home_path(os.environ)), os.environ))
    if as_json:
        _json(found)
    else:
        for one in found:
            print(f"{'ok ' if one.well else 'BAD'}  {one.name}: {one.found}")
            if one.mend:
                print(f"     → {one.mend}")
    return 0 if all(one.well for one in found) else FAILED
