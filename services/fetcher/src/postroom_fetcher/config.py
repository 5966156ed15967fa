"""The fetcher's settings."""

from collections.abc import Sequence

import msgspec
from nacl.public import PrivateKey

from postroom_fetcher.connecting import Patience, Way
from postroom_runtime.errors import OperatorError
from postroom_runtime.reach import parse_internal
from postroom_runtime.sealing import parse_private_keys
from postroom_runtime.settings import Settings


class FetcherConfig(msgspec.Struct, frozen=True, kw_only=True):
    """Read once at start."""

    database_url: str
    keys: Sequence[PrivateKey]
    connections: int
    """Mailboxes that this process fetches from at once."""
    host_connections: int
    """Of these, from one server (host and port)."""
    waits: int
    """Mailboxes on whose new mail this process waits by IDLE; 0 = checks by interval only."""
    way: Way


def read(settings: Settings) -> FetcherConfig:
    """Return the configuration; OperatorError names what is wrong."""
    try:
        keys = parse_private_keys(settings.text("FETCHER_KEY"))
    except ValueError as error:
        raise OperatorError(f"POSTROOM_FETCHER_KEY: {error}") from error
    try:
        internal = parse_internal(settings.optional("INTERNAL_HOSTS") or "")
    except ValueError as error:
        raise OperatorError(f"POSTROOM_INTERNAL_HOSTS: {error}") from error
    usual, number = Patience(), settings.number
    return FetcherConfig(
        database_url=settings.text("DATABASE_FETCH_URL"),
        keys=keys,
        connections=settings.integer("FETCHER_CONNECTIONS", 200, low=1, high=1_000),
        host_connections=settings.integer("FETCHER_HOST_CONNECTIONS", 20, low=1, high=1_000),
        waits=settings.integer("FETCHER_WAITS", 1_000, low=0, high=10_000),
        way=Way(
            internal=internal,
            patience=Patience(
                connect=number("FETCHER_CONNECT_SECONDS", usual.connect, low=0.1),
                login=number("FETCHER_LOGIN_SECONDS", usual.login, low=0.1),
                command=number("FETCHER_COMMAND_SECONDS", usual.command, low=0.1),
            ),
        ),
    )
