"""The command `postroom`."""

import asyncio
import os
import sys
from importlib.metadata import version as distribution_version
from typing import Annotated

import cyclopts
import msgspec
from rich.console import Console as Terminal
from rich.table import Table
from rich.text import Text

from postroom import commands, events, importing, mailboxes, people
from postroom.config import Settings, home_path
from postroom.console import Console
from postroom.errors import OperatorError
from postroom.home import Home
from postroom.status import Status, look
from postroom.supervisor import require_ports
from postroom.supervisor import up as run_until_stopped

FAILED = 1

app = cyclopts.App(
    name="postroom",
    help="Postroom on one machine: Postgres, NATS and the five services from one command.",
    version=lambda: distribution_version("postroom"),
)


@app.command
def up() -> int:
    """Start everything and keep it running; Ctrl-C stops it.

    Settings are environment variables: POSTROOM_HOME (default ~/.local/share/postroom),
    POSTROOM_HTTP_HOST and POSTROOM_HTTP_PORT (127.0.0.1, 8080), POSTROOM_SMTP_HOST and
    POSTROOM_SMTP_PORT (127.0.0.1, 2525), POSTROOM_BASE_URL, POSTROOM_ADMIN_EMAIL and
    POSTROOM_ADMIN_PASSWORD (for the first start), POSTROOM_RELAY (where outgoing mail goes;
    without it nothing leaves the machine). NO_COLOR turns colours off.
    """
    settings = Settings.from_environment(os.environ)
    home = Home(settings.home)
    home.create()
    with home.held(settings.base_url):
        require_ports(settings)
        with Console(sys.stdout, home.logs, os.environ) as console:
            asyncio.run(run_until_stopped(settings, console, home))
    return 0


@app.command
def status(
    *, as_json: Annotated[bool, cyclopts.Parameter(name="--json", negative="")] = False
) -> int:
    """Show what runs and what is ready; exit code 0 when everything is ready, else 1.

    Parameters
    ----------
    as_json
        Print one JSON object.

    """
    found = asyncio.run(look(Home(home_path(os.environ))))
    if as_json:
        print(msgspec.json.format(msgspec.json.encode(found)).decode())
    else:
        _show(found)
    return 0 if found.ready else FAILED


@app.command
def version() -> None:
    """Print the version."""
    print(distribution_version("postroom"))


app.command(commands.send)
app.command(commands.demo)
app.command(commands.doctor)
app.command(importing.import_mails, name="import")
app.command(mailboxes.mailbox)
app.command(mailboxes.config)
app.command(commands.rules)
app.command(commands.setaside)
app.command(events.events)
app.command(people.user)
app.command(people.token)


def _show(found: Status) -> None:
    terminal = Terminal(highlight=False)
    if not found.running:
        print(f"Postroom is not running on {found.home}. Start it with `make up` or `postroom up`.")
        return
    table = Table("part", "pid", "ready", "why not", box=None, pad_edge=False)
    for part in found.parts:
        ready = Text("yes", "green") if part.ready else Text("no", "red")
        table.add_row(part.name, str(part.pid or "-"), ready, Text("; ".join(part.reasons)))
    terminal.print(table)
    print(f"\nConsole {found.console} · SMTP {found.smtp} · pid {found.pid} · home {found.home}")


def main() -> None:
    """Run the command line; foreseeable errors are two sentences, not a traceback."""
    try:
        result = app(result_action="return_value")
    except OperatorError as error:
        print(f"postroom: {error.message}\n  → {error.next_step}", file=sys.stderr)
        sys.exit(FAILED)
    except KeyboardInterrupt:
        sys.exit(130)  # as shells do: 128 + SIGINT
    sys.exit(result if isinstance(result, int) else 0)
