"""The service's settings, each with where it is used."""

import re
import socket
from pathlib import Path
from typing import Final

import msgspec

from postroom_contract.streams import MAX_MESSAGE_BYTES
from postroom_runtime.errors import OperatorError
from postroom_runtime.settings import Settings
from postroom_smtp.aiosmtplib_relay import Patience
from postroom_smtp.domain.limits import Limits

_NAME: Final = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9.-]{0,253}[A-Za-z0-9])?")


class SmtpConfig(msgspec.Struct, frozen=True, kw_only=True):
    """Read once at start."""

    host: str
    port: int
    hostname: str
    """What we call ourselves, in the greeting, in Received and to the relay."""
    limits: Limits
    certificate: tuple[Path, Path] | None
    """Files of our certificate with its chain, and of its key."""
    tls_port: int | None
    """Where TLS is spoken from the first byte; None = nowhere."""
    relay: tuple[str, int] | None
    """The next hop; without it outgoing mail is captured."""
    patience: Patience


def read(settings: Settings) -> SmtpConfig:
    """Return the configuration; OperatorError names what is wrong."""
    hostname = settings.text("SMTP_HOSTNAME", _own_name())
    if not _NAME.fullmatch(hostname):
        raise OperatorError(f"POSTROOM_SMTP_HOSTNAME={hostname!r} must be a host name")
    certificate = _certificate(settings)
    tls_port = settings.integer("SMTP_TLS_PORT", 0, high=65_535) or None
    if tls_port and certificate is None:
        raise OperatorError("POSTROOM_SMTP_TLS_PORT needs POSTROOM_SMTP_TLS_CERTIFICATE and _KEY")
    return SmtpConfig(
        host=settings.text("SMTP_HOST", "127.0.0.1"),
        port=settings.integer("SMTP_PORT", 2525, high=65_535),
        hostname=hostname,
        limits=_limits(settings),
        certificate=certificate,
        tls_port=tls_port,
        relay=settings.host_port("RELAY"),
        patience=Patience(
            connect=settings.number("RELAY_CONNECT_SECONDS", 15, low=0.1),
            command=settings.number("RELAY_COMMAND_SECONDS", 60, low=0.1),
            data=settings.number("RELAY_DATA_SECONDS", 600, low=0.1),
        ),
    )


def _certificate(settings: Settings) -> tuple[Path, Path] | None:
    chain, key = settings.optional("SMTP_TLS_CERTIFICATE"), settings.optional("SMTP_TLS_KEY")
    if bool(chain) != bool(key):
        raise OperatorError("POSTROOM_SMTP_TLS_CERTIFICATE and POSTROOM_SMTP_TLS_KEY go together")
    return (Path(chain), Path(key)) if chain and key else None


def _limits(settings: Settings) -> Limits:
    usual = Limits()
    whole, number = settings.integer, settings.number
    return Limits(
        message=whole("SMTP_MAX_BYTES", usual.message, low=1_000, high=MAX_MESSAGE_BYTES),
        recipients=whole("SMTP_MAX_RECIPIENTS", usual.recipients, low=1, high=1_000),
        connections=whole("SMTP_MAX_CONNECTIONS", usual.connections, low=1),
        connections_per_address=whole(
            "SMTP_MAX_CONNECTIONS_PER_ADDRESS", usual.connections_per_address, low=1
        ),
        commands=whole("SMTP_MAX_COMMANDS", usual.commands, low=1),
        errors=whole("SMTP_MAX_ERRORS", usual.errors, low=1),
        idle=number("SMTP_IDLE_SECONDS", usual.idle, low=0.1),
        slow=number("SMTP_MIN_BYTES_PER_SECOND", usual.slow),
        window=number("SMTP_SLOW_WINDOW_SECONDS", usual.window, low=0.1),
    )


def _own_name() -> str:
    """Return the machine's name if it is a full one; the DNS is not asked."""
    name = socket.gethostname()
    return name if "." in name and _NAME.fullmatch(name) else "postroom.local"
