"""`python -m postroom_<service>` for services that own a schema: serve, or bring it up to date."""

import asyncio
import gc
import os
import sys
from collections.abc import Awaitable, Callable, Sequence
from importlib.resources import files

import msgspec

from postroom_runtime.errors import OperatorError
from postroom_runtime.postgres import migrate
from postroom_runtime.process import EXIT_OPERATOR_ERROR, Process, run
from postroom_runtime.settings import Settings

Starting = Callable[[Process], Awaitable[None]]


class Schema(msgspec.Struct, frozen=True):
    """What `migrate` applies: the `migrations` of a package, under a login that may."""

    name: str
    package: str
    url_setting: str


def main(
    arguments: Sequence[str],
    service: str,
    schema: Schema,
    load: Callable[[], Starting],
) -> int:
    """Return the exit code. `load` imports the service, which a migration does not need."""
    if list(arguments) == ["migrate"]:
        return _migrate(schema)
    if arguments:
        sys.stderr.write(f"usage: python -m {schema.package} [migrate]\n")
        return 2
    run(service, _quickly(load))
    return 0


def _quickly(load: Callable[[], Starting]) -> Starting:
    """Load without collecting garbage: what modules are made of stays, and is never looked at."""
    gc.disable()
    try:
        return load()
    finally:
        gc.freeze()
        gc.enable()


def _migrate(schema: Schema) -> int:
    try:
        url = Settings(os.environ).text(schema.url_setting)
        applied = asyncio.run(migrate(url, schema.name, files(schema.package) / "migrations"))
    except OperatorError as error:
        sys.stderr.write(f"{error}\n")
        return EXIT_OPERATOR_ERROR
    sys.stderr.write(f"schema {schema.name}: {', '.join(applied) or 'nothing to apply'}\n")
    return 0
