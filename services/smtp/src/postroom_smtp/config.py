"""The service's settings, each with where it is used."""

import ipaddress
import re
import socket
from pathlib import Path
from typing import Final, Literal, cast, get_args

import msgspec
from nacl.public import PrivateKey

from postroom_contract.streams import MAX_MESSAGE_BYTES
from postroom_runtime.errors import OperatorError
from postroom_runtime.reach import Internal, parse_internal
from postroom_runtime.sealing import parse_private_keys
from postroom_runtime.settings import Settings
from postroom_smtp.aiosmtplib_relay import Patience, Security, Tls
from postroom_smtp.domain.access import GREET_MOST, Access
from postroom_smtp.domain.limits import Limits
from postroom_smtp.domain.networks import Network, parse_networks
from postroom_smtp.handlers.delivering import SLOTS

_NAME: Final = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9.-]{0,253}[A-Za-z0-9])?")


class SmtpConfig(msgspec.Struct, frozen=True, kw_only=True):
    """Read once at start."""

    host: str
    port: int
    hostname: str
    """What we call ourselves, in the greeting, in Received and to the relay."""
    processes: int
    """That serve the same ports."""
    limits: Limits
    """Of each of them."""
    certificate: tuple[Path, Path] | None
    """Files of our certificate with its chain, and of its key."""
    tls_port: int | None
    """Where TLS is spoken from the first byte; None = nowhere."""
    relay: tuple[str, int] | Literal["mx"] | None
    """The next hop, or the recipients' own servers; without it outgoing mail is captured."""
    keys: tuple[PrivateKey, ...]
    """What the keys of DKIM are sealed to; empty = nothing is signed."""
    deliveries: int
    """Commands worked on at once."""
    slots: int
    """Of these, for one destination: a smarthost, or a domain's servers."""
    daily_cap: int
    """Copies of an account that leave on a day (UTC); 0 = as many as there are."""
    security: Security
    mx_port: int
    internal: Internal
    """What may be connected to besides the public Internet."""
    patience: Patience
    access: Access
    trusted: tuple[Network, ...]
    """Whose mail is believed: SPF, DKIM and DMARC are not asked about it."""
    authenticate: bool
    nameservers: tuple[tuple[str, int], ...]
    """Who is asked about names; empty: whom this machine asks."""
    lmtp_port: int | None
    """Where LMTP is spoken; None = nowhere."""


def read(settings: Settings) -> SmtpConfig:
    """Return the configuration; OperatorError names what is wrong."""
    hostname = settings.text("SMTP_HOSTNAME", _own_name())
    if not _NAME.fullmatch(hostname):
        raise OperatorError(f"POSTROOM_SMTP_HOSTNAME={hostname!r} must be a host name")
    certificate = _certificate(settings)
    tls_port = settings.integer("SMTP_TLS_PORT", 0, high=65_535) or None
    if tls_port and certificate is None:
        raise OperatorError("POSTROOM_SMTP_TLS_PORT needs POSTROOM_SMTP_TLS_CERTIFICATE and _KEY")
    processes = settings.integer("SMTP_PROCESSES", 1, low=1, high=64)
    return SmtpConfig(
        host=settings.text("SMTP_HOST", "127.0.0.1"),
        port=settings.integer("SMTP_PORT", 2525, high=65_535),
        hostname=hostname,
        processes=processes,
        limits=_limits(settings).among(processes),
        certificate=certificate,
        tls_port=tls_port,
        relay=_relay(settings),
        keys=_keys(settings),
        deliveries=settings.integer("SMTP_DELIVERIES", 40, low=1, high=500),
        slots=settings.integer("SMTP_DESTINATION_SLOTS", SLOTS, low=1, high=500),
        daily_cap=settings.integer("SMTP_DAILY_CAP", 0),
        security=_security(settings),
        mx_port=settings.integer("RELAY_MX_PORT", 25, low=1, high=65_535),
        internal=_internal(settings),
        patience=Patience(
            connect=settings.number("RELAY_CONNECT_SECONDS", 15, low=0.1),
            command=settings.number("RELAY_COMMAND_SECONDS", 60, low=0.1),
            data=settings.number("RELAY_DATA_SECONDS", 600, low=0.1),
        ),
        access=Access(
            deny=_networks(settings, "SMTP_DENY"),
            allow=_networks(settings, "SMTP_ALLOW"),
            proxies=_networks(settings, "SMTP_PROXIES"),
            greet=settings.number("SMTP_GREET_SECONDS", 0, high=GREET_MOST),
            lists=_zones(settings),
        ),
        trusted=_networks(settings, "SMTP_TRUSTED", "127.0.0.0/8 ::1/128"),
        authenticate=settings.flag("SMTP_AUTHENTICATE", usual=True),
        nameservers=_nameservers(settings),
        lmtp_port=settings.integer("SMTP_LMTP_PORT", 0, high=65_535) or None,
    )


def _relay(settings: Settings) -> tuple[str, int] | Literal["mx"] | None:
    return "mx" if settings.optional("RELAY") == "mx" else settings.host_port("RELAY")


def _keys(settings: Settings) -> tuple[PrivateKey, ...]:
    try:
        return parse_private_keys(text) if (text := settings.optional("SMTP_KEY")) else ()
    except ValueError as error:
        raise OperatorError(f"POSTROOM_SMTP_KEY: {error}") from error


def _security(settings: Settings) -> Security:
    login, password = settings.optional("RELAY_LOGIN"), settings.optional("RELAY_PASSWORD")
    if bool(login) != bool(password):
        raise OperatorError("POSTROOM_RELAY_LOGIN and POSTROOM_RELAY_PASSWORD go together")
    # Who signs in must know to whom, unless told otherwise.
    text = settings.text("RELAY_TLS", "starttls" if login else "opportunistic")
    if text not in get_args(Tls):
        raise OperatorError(
            f"POSTROOM_RELAY_TLS={text!r} must be one of {', '.join(get_args(Tls))}"
        )
    if login and text == "opportunistic":
        raise OperatorError("POSTROOM_RELAY_LOGIN needs POSTROOM_RELAY_TLS=starttls or implicit")
    return Security(tls=cast("Tls", text), login=login or "", password=password or "")


def _internal(settings: Settings) -> Internal:
    try:
        return parse_internal(settings.optional("INTERNAL_HOSTS") or "")
    except ValueError as error:
        raise OperatorError(f"POSTROOM_INTERNAL_HOSTS: {error}") from error


def _networks(settings: Settings, name: str, usual: str = "") -> tuple[Network, ...]:
    text = settings.text(name, usual)
    try:
        return parse_networks("" if text == "none" else text)
    except ValueError as error:
        raise OperatorError(f"POSTROOM_{name}: {error}") from None


def _zones(settings: Settings) -> tuple[str, ...]:
    zones = tuple(settings.text("SMTP_DNSBL", "").replace(",", " ").split())
    for zone in zones:
        if not _NAME.fullmatch(zone) or "." not in zone:
            raise OperatorError(f"POSTROOM_SMTP_DNSBL: {zone!r} is no zone")
    return zones


def _nameservers(settings: Settings) -> tuple[tuple[str, int], ...]:
    found = []
    for word in settings.text("SMTP_NAMESERVERS", "").replace(",", " ").split():
        host, _, port = word.rpartition(":") if word.count(":") == 1 else (word, "", "53")
        try:
            found.append((str(ipaddress.ip_address(host.strip("[]"))), int(port)))
        except ValueError:
            raise OperatorError(
                f"POSTROOM_SMTP_NAMESERVERS: {word!r} is no address (with a port)"
            ) from None
    return tuple(found)


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
