"""`python -m postroom_api` serves; with `migrate` it brings its schema up to date."""

import sys
from collections.abc import Awaitable, Callable

from postroom_runtime.entry import Schema, main
from postroom_runtime.process import Process

SCHEMA = Schema("config", "postroom_api", "DATABASE_OWNER_URL")


def load() -> Callable[[Process], Awaitable[None]]:
    from postroom_api.app import start  # not for migrations: imports take time

    return start


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:], "api", SCHEMA, load))
