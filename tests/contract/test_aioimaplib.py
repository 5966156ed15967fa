"""The names of aioimaplib that our subclass replaces or uses; a new version must be looked at."""

import importlib.metadata
import inspect

import pytest
from aioimaplib import aioimaplib as base

from postroom_fetcher.aioimaplib_client import HardenedClient
from postroom_fetcher.aioimaplib_protocol import HardenedCommand, HardenedProtocol


def test_the_version_is_the_one_that_was_read() -> None:
    assert importlib.metadata.version("aioimaplib") == "2.0.3"


@pytest.mark.parametrize(
    "name", ["connection_made", "data_received", "eof_received", "connection_lost", "execute"]
)
def test_the_protocols_ways_in_are_ours(name: str) -> None:
    assert name in vars(HardenedProtocol)
    assert hasattr(base.IMAP4ClientProtocol, name)


@pytest.mark.parametrize(
    ("thing", "parameters"),
    [
        (base.IMAP4ClientProtocol.execute, ["self", "command", "scrub"]),
        (base.IMAP4ClientProtocol.data_received, ["self", "d"]),
        (base.IMAP4ClientProtocol.new_tag, ["self"]),
        (base.IMAP4.create_client, ["self", "host", "port", "loop", "conn_lost_cb", "ssl_context"]),
        (base.quoted, ["arg"]),
    ],
)
def test_signatures(thing: object, parameters: list[str]) -> None:
    assert list(inspect.signature(thing).parameters) == parameters  # type: ignore[arg-type]  # a function


async def test_inherited_commands_are_refused() -> None:
    from postroom_contract.documents import FetchSource
    from postroom_fetcher.connecting import Way

    source = FetchSource(host="h", port=1, tls="none", login="l", sealed_password="")
    client = HardenedClient(source, Way())
    client.protocol.state = base.SELECTED
    for call in (client.noop(), client.list('""', "*"), client.expunge(), client.fetch("1", "ALL")):
        with pytest.raises(NotImplementedError):
            await call


async def test_control_characters_are_refused_in_arguments() -> None:
    for word in ("a\rb", "a\nb", "a\0b"):
        with pytest.raises(ValueError, match="not allowed"):
            HardenedCommand("NOOP", "A1", word)
    assert HardenedCommand("FETCH", "A1", "1:2", prefix="UID").line == b"A1 UID FETCH 1:2\r\n"
