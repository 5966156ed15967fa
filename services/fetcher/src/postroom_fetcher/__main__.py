"""`python -m postroom_fetcher` serves; with `migrate` it brings its schema up to date."""

import sys
from collections.abc import Awaitable, Callable

from postroom_runtime.entry import Schema, main
from postroom_runtime.process import Process

SCHEMA = Schema("fetch", "postroom_fetcher", "DATABASE_FETCH_URL")


def load() -> Callable[[Process], Awaitable[None]]:
    from postroom_fetcher.app import start  # not for migrations: imports take time

    return start


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:], "fetcher", SCHEMA, load))
