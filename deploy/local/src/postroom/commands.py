"""The commands that talk to a running system; cli.py names them."""

import os
import sys
from email.message import EmailMessage
from email.policy import SMTP
from pathlib import Path
from typing import Annotated

import cyclopts

from postroom.answers import AsJson, print_json, print_table, running_system
from postroom.config import home_path
from postroom.errors import OperatorError
from postroom.home import Home

FAILED = 1

rules = cyclopts.App(name="rules", help="Rules of the running system.")
setaside = cyclopts.App(name="setaside", help="What no service could take.")


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
    client = running_system()
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
    trial = running_system().post("/rules/try", mailbox=mailbox_id, raw=raw)
    if as_json:
        print_json(trial)
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
    found = running_system().get("/set-aside", limit=200)["data"]
    if as_json:
        print_json(found)
        return
    rows = [
        [one["id"], one["service"], one["reason"], "again" if one["redone_at"] else ""]
        for one in found
    ]
    print_table(["id", "service", "reason", "tried"], rows)


@setaside.command
def retry(entry: str) -> None:
    """Try again what was set aside."""
    running_system().post(f"/set-aside/{entry}/redo")
    print("the service tries again", file=sys.stderr)


@setaside.command
def discard(entry: str) -> None:
    """Discard what was set aside: it is listed no more."""
    running_system().delete(f"/set-aside/{entry}")
    print("discarded", file=sys.stderr)


def demo(*, yes: Annotated[bool, cyclopts.Parameter(name="--yes", negative="")] = False) -> int:
    """Fill the running system with a forum, a mailbox with rules, one fetched by IMAP, and mail.

    Parameters
    ----------
    yes
        Do it although a relay is set and copies would go out (to example.* addresses).

    """
    from postroom import demo as story

    client = running_system()
    if client.relay and not yes:
        raise OperatorError(
            f"a relay is set ({client.relay}): the demo's mail would leave this machine",
            "start without it, or say --yes",
        )
    print(story.run(client), file=sys.stderr)
    return 0


def doctor(domain: str = "", *, as_json: AsJson = False) -> int:
    """Check ports, services, broker, database and clock; exit code 1 when something is wrong.

    Parameters
    ----------
    domain
        One that mail is taken for: look instead at what others find of it (MX, PTR, port 25, TLS,
        SPF, DKIM, DMARC), and say what to publish.

    """
    import asyncio

    from postroom.doctor import examine, of_domain

    if domain:
        found = of_domain(running_system().get(f"/domains/{domain}/check"))
    else:
        found = asyncio.run(examine(Home(home_path(os.environ)), os.environ))
    if as_json:
        print_json(found)
    else:
        for one in found:
            print(f"{'ok ' if one.well else 'BAD'}  {one.name}: {one.found}")
            if one.mend:
                print(f"     → {one.mend}")
    return 0 if all(one.well for one in found) else FAILED
