"""`postroom doctor`: what is wrong with this machine's Postroom, and how to mend it."""

import asyncio
import json
import ssl
import time
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import asyncpg
import msgspec

from postroom import tcp_ports
from postroom.config import Settings
from postroom.embedded import logins
from postroom.embedded.postgres import MAJOR
from postroom.errors import OperatorError
from postroom.home import Home, State
from postroom.probe import get
from postroom.services import url_file
from postroom.status import look

OLDEST_NATS = (2, 14)
CLOCK_SECONDS = 2.0
CERTIFICATE_NOTICE = timedelta(days=14)


class Finding(msgspec.Struct, frozen=True):
    """One check. `mend` says what to do and is empty when all is well."""

    name: str
    well: bool
    found: str
    mend: str = ""


async def examine(home: Home, environ: Mapping[str, str]) -> list[Finding]:
    """Return every finding; takes a few seconds at the most."""
    settings = Settings.from_environment(environ)
    if not home.is_held():
        return [
            Finding("running", well=False, found="it is not running", mend="start it: `make up`"),
            *_ports(settings),
        ]
    state = home.read_state()
    found = [await _parts(home)]
    found += await _broker(state)
    found += await _database(home)
    found += await _certificates(home)
    found.append(_relay(state.relay))
    return found


def of_domain(check: Mapping[str, Any]) -> list[Finding]:
    """Return the findings of the API's check of a domain; what the DNS did not say is not well."""
    found = []
    for one in check["findings"]:
        seen = ", ".join(one["found"]) or one["standing"]
        mend = " ".join(filter(None, (one["words"], one["wanted"] and f"publish: {one['wanted']}")))
        name = f"{one['aspect']} ({one['kind']} {one['name']})"
        well = one["standing"] == "good"
        found.append(Finding(name, well=well, found=seen, mend="" if well else mend))
    return found


def _ports(settings: Settings) -> list[Finding]:
    found = []
    for name, host, port, setting in (
        ("HTTP port", settings.http_host, settings.http_port, "POSTROOM_HTTP_PORT"),
        ("SMTP port", settings.smtp_host, settings.smtp_port, "POSTROOM_SMTP_PORT"),
    ):
        try:
            tcp_ports.require_free(host, port, purpose=name, setting=setting)
        except OperatorError as error:
            found.append(Finding(name, well=False, found=error.message, mend=error.next_step))
        else:
            found.append(Finding(name, well=True, found=f"{host}:{port} is free"))
    return found


async def _parts(home: Home) -> Finding:
    status = await look(home)
    wrong = [f"{part.name}: {'; '.join(part.reasons)}" for part in status.parts if not part.ready]
    if wrong:
        return Finding(
            "services", well=False, found=" | ".join(wrong), mend=f"look at the logs in {home.logs}"
        )
    return Finding("services", well=True, found=f"{len(status.parts)} parts are ready")


async def _broker(state: State) -> list[Finding]:
    variables = await get("127.0.0.1", state.nats_monitor_port, "/varz")
    streams = await get("127.0.0.1", state.nats_monitor_port, "/jsz")
    if variables is None or streams is None:
        return [Finding("NATS", well=False, found="it does not answer", mend="`postroom status`")]
    version = json.loads(variables.body)["version"]
    numbers = tuple(int(part) for part in version.split(".")[:2])
    jetstream = json.loads(streams.body)
    config, used = jetstream["config"], jetstream["storage"]
    room = used / max(config["max_storage"], 1)
    return [
        Finding("NATS version", numbers >= OLDEST_NATS, version, _if_old(numbers)),
        Finding(
            "NATS sync",
            bool(config.get("sync_always")),
            "writes before it confirms" if config.get("sync_always") else "confirms before writing",
            "" if config.get("sync_always") else "set `sync_interval: always` in nats.conf",
        ),
        Finding(
            "NATS room",
            room < 0.9,  # noqa: PLR2004 - senders are asked to wait when it is full
            f"{room:.0%} of {config['max_storage'] // (1 << 30)} GiB is used",
            "" if room < 0.9 else "make room on the disk and start again",  # noqa: PLR2004
        ),
    ]


def _if_old(numbers: tuple[int, ...]) -> str:
    return "" if numbers >= OLDEST_NATS else "nats-server 2.14 or newer is needed for schedules"


async def _database(home: Home) -> list[Finding]:
    url = (home.secrets / url_file(logins.APP)).read_text(encoding="utf-8").strip()
    try:
        async with asyncio.timeout(5):
            connection = await asyncpg.connect(url)
            try:
                version = await connection.fetchval("SELECT current_setting('server_version')")
                now = await connection.fetchval("SELECT clock_timestamp()")
            finally:
                await connection.close()
    except (OSError, TimeoutError, asyncpg.PostgresError) as error:
        return [Finding("Postgres", well=False, found=repr(error), mend="`postroom status`")]
    return [
        Finding("Postgres version", version.startswith(f"{MAJOR}."), version, ""),
        _clock(now),
    ]


def _clock(now: datetime) -> Finding:
    apart = abs(now.timestamp() - time.time())
    well = apart < CLOCK_SECONDS
    mend = "" if well else "set the clocks (chrony, systemd-timesyncd)"
    return Finding("clock", well, f"database and machine are {apart:.1f} s apart", mend)


async def _certificates(home: Home) -> list[Finding]:
    """Look at the authorities that mailboxes bring with them; the rest are the system's."""
    url = (home.secrets / url_file(logins.WORKER)).read_text(encoding="utf-8").strip()
    try:
        async with asyncio.timeout(5):
            connection = await asyncpg.connect(url)
            try:
                rows = await connection.fetch("SELECT name, ca FROM config.mailbox WHERE ca <> ''")
            finally:
                await connection.close()
    except (OSError, TimeoutError, asyncpg.PostgresError):
        return []  # said by the findings on Postgres
    wrong = [f"{row['name']}: {why}" for row in rows if (why := _bad_authority(row["ca"]))]
    if wrong:
        mend = "give these mailboxes the authority's current certificate (form or API, `ca`)"
        return [Finding("certificates", well=False, found="; ".join(wrong), mend=mend)]
    words = f"{len(rows)} mailboxes bring an authority of their own, each valid; the console and"
    words += " the SMTP server speak without TLS (put a proxy before them on other than loopback)"
    return [Finding("certificates", well=True, found=words)]


def _bad_authority(pem: str) -> str | None:
    try:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.load_verify_locations(cadata=pem)
    except (ssl.SSLError, ValueError) as error:
        return f"its authority's certificate cannot be read ({error})"
    stamps = [str(one["notAfter"]) for one in context.get_ca_certs()]
    if not stamps:
        return None
    ends = datetime.fromtimestamp(min(map(ssl.cert_time_to_seconds, stamps)), tz=UTC)
    left = ends - datetime.now(tz=UTC)
    if left < CERTIFICATE_NOTICE:
        verb = "ended" if left < timedelta(0) else "ends"
        return f"its authority's certificate {verb} on {ends:%Y-%m-%d}"
    return None


def _relay(relay: str) -> Finding:
    words = f"outgoing mail goes through {relay}" if relay else "off: outgoing mail is captured"
    return Finding("relay", well=True, found=words)
