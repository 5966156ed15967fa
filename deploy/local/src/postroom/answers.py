"""What commands that ask a running system have in common: whom they ask, and how they answer."""

import os
from typing import Annotated, Any

import cyclopts
import msgspec
from rich.console import Console as Terminal
from rich.table import Table

from postroom.config import home_path
from postroom.home import Home

AsJson = Annotated[bool, cyclopts.Parameter(name="--json", negative="")]


def running_system() -> Any:
    """Return a client of the system on this machine."""
    from postroom.client import Client  # late: `--help` is quick

    return Client(Home(home_path(os.environ)))


def print_json(value: object) -> None:
    """Print one JSON value."""
    print(msgspec.json.format(msgspec.json.encode(value)).decode())


def print_table(columns: list[str], rows: list[list[str]]) -> None:
    """Print rows under their names."""
    table = Table(*columns, box=None, pad_edge=False)
    for row in rows:
        table.add_row(*row)
    Terminal(highlight=False).print(table)
