"""The commands for mailboxes, and the one that shows settings.

Law: a password comes from standard input, never from the command line, where others could see it.
"""

import sys
import time
from datetime import date
from typing import Annotated, Any, Literal

import cyclopts

from postroom.answers import AsJson, print_json, print_table, running_system
from postroom.errors import OperatorError

mailbox = cyclopts.App(name="mailbox", help="Mailboxes of the running system.")
config = cyclopts.App(name="config", help="The settings of the running system.")
TEST_SECONDS = 100.0
FAILED = 1
Tls = Literal["implicit", "starttls", "none"]


@mailbox.command(name="list")
def list_mailboxes(*, as_json: AsJson = False) -> None:
    """List mailboxes with their state."""
    found = running_system().all("/mailboxes")
    if as_json:
        print_json(found)
        return
    rows = []
    for box in found:
        check = box["last_check"]
        where = ", ".join(box["source"]["addresses"]) or box["source"]["host"]
        state = (check or {}).get("state", "open" if box["source"]["type"] == "smtp" else "new")
        rows.append([box["id"], box["name"], box["source"]["type"], where, state])
    print_table(["id", "name", "type", "where", "state"], rows)


@mailbox.command(name="add")
def add_mailbox(
    name: str,
    *,
    kind: Annotated[Literal["smtp", "imap", "pop3"], cyclopts.Parameter(name="--type")] = "smtp",
    address: tuple[str, ...] = (),
    host: str = "",
    port: int = 0,
    tls: Tls = "implicit",
    login: str = "",
    interval: int = 0,
    as_json: AsJson = False,
) -> None:
    """Make a system mailbox; prints its id. A password is read from standard input.

    Parameters
    ----------
    name
        How it is called.
    kind
        Where its mail comes from.
    address
        smtp: an address it takes mail for; may be repeated.
    host
        imap, pop3: the server.
    port
        imap, pop3: 0 = the usual one.
    tls
        imap, pop3: how the connection is encrypted.
    login
        imap, pop3: the user name there.
    interval
        imap, pop3: minutes between checks; 0 = only by hand.
    as_json
        Print one JSON object.

    """
    source: dict[str, Any] = {"type": kind, "addresses": list(address)}
    if kind != "smtp":
        source |= {
            "host": host,
            "port": port,
            "tls": tls,
            "login": login,
            "interval_minutes": interval,
            "password": _password(),
        }
    made = running_system().post("/mailboxes", name=name, source=source)
    if as_json:
        print_json(made)
        return
    print(made["id"])
    for warning in made["warnings"]:
        print(warning, file=sys.stderr)


def _password() -> str:
    if sys.stdin.isatty():
        import getpass

        return getpass.getpass("Password of the mailbox: ")
    text = sys.stdin.readline().rstrip("\r\n")
    if not text:
        raise OperatorError("no password came on standard input", "pipe it in: … < password-file")
    return text


@mailbox.command(name="test")
def try_mailbox(mailbox_id: str, *, as_json: AsJson = False) -> int:
    """Try a mailbox's server, step by step; exit code 1 when a step fails.

    Parameters
    ----------
    mailbox_id
        The mailbox (`postroom mailbox list`).
    as_json
        Print the outcome as one JSON object.

    """
    client = running_system()
    operation = client.post(f"/mailboxes/{mailbox_id}/test")
    deadline = time.monotonic() + TEST_SECONDS
    while operation["state"] == "running":
        if time.monotonic() > deadline:
            raise OperatorError("the test does not come to an end", "look at `postroom status`")
        time.sleep(0.2)
        operation = client.get(f"/operations/{operation['id']}")
    if as_json:
        print_json(operation)
    else:
        for stage in operation["result"].get("stages", ()):
            print(f"{'ok ' if stage['well'] else 'BAD'}  {stage['name']}: {stage['words']}")
        if error := operation["result"].get("error"):
            print(error, file=sys.stderr)
    return 0 if operation["state"] == "done" else FAILED


@mailbox.command
def receive(mailbox_id: str, *, since: date | None = None) -> None:
    """Look for new mail now.

    Parameters
    ----------
    mailbox_id
        Which.
    since
        A day (YYYY-MM-DD): also fetch again what came from then on and is not here.

    """
    query = f"?since={since.isoformat()}" if since else ""
    answer = running_system().post(f"/mailboxes/{mailbox_id}/receive{query}")
    words = "checking now" if answer["started"] else "a check is under way already"
    print(words, file=sys.stderr)


@config.command(name="show")
def show_settings(*, origin: bool = False, as_json: AsJson = False) -> None:
    """Show the settings in force, service by service; secrets only as set or not.

    Parameters
    ----------
    origin
        Say where each comes from as well: environment, file or default.
    as_json
        Print one JSON object.

    """
    found = {
        one["service"]: one["settings"] for one in running_system().get("/system")["processes"]
    }
    if as_json:
        print_json(found)
        return
    rows = [
        [service, one["name"], one["value"], *([one["origin"]] if origin else [])]
        for service, settings in found.items()
        for one in settings
    ]
    print_table(["service", "setting", "value", *(["from"] if origin else [])], rows)
