"""`postroom status`: what runs, what is ready, and why the rest is not."""

import asyncio
import json

import asyncpg
import msgspec

from postroom.embedded import logins
from postroom.foundation import NATS, POSTGRES
from postroom.home import Home, Running, State
from postroom.probe import get
from postroom.services import url_file

SECONDS = 3.0


class PartStatus(msgspec.Struct, frozen=True):
    """One process; `reasons` are sentences and empty when it is ready."""

    name: str
    pid: int
    ready: bool
    reasons: tuple[str, ...] = ()


class Status(msgspec.Struct, frozen=True):
    """The whole system; `ready` when every part is."""

    running: bool
    ready: bool
    home: str
    console: str = ""
    smtp: str = ""
    pid: int = 0
    parts: tuple[PartStatus, ...] = ()


async def look(home: Home) -> Status:
    """Ask every part at the same time; takes about three seconds at the most."""
    if not home.is_held():
        return Status(running=False, ready=False, home=str(home.path))
    state = home.read_state()
    parts = await asyncio.gather(*(_ask(part, state, home) for part in state.children))
    return Status(
        running=True,
        ready=bool(parts) and all(part.ready for part in parts),
        home=str(home.path),
        console=state.console,
        smtp=state.smtp,
        pid=state.pid,
        parts=tuple(parts),
    )


async def _ask(part: Running, state: State, home: Home) -> PartStatus:
    if not part.pid:
        reasons: tuple[str, ...] = ("not running; it is being started again",)
    elif part.name == POSTGRES:
        reasons = await _postgres(home)
    elif part.name == NATS:
        reasons = await _health(state.nats_monitor_port, "/healthz")
    else:
        reasons = await _health(part.health_port, "/healthz/ready")
    return PartStatus(part.name, part.pid, not reasons, reasons)


async def _postgres(home: Home) -> tuple[str, ...]:
    try:
        url = (home.secrets / url_file(logins.APP)).read_text(encoding="utf-8").strip()
        connection = await asyncpg.connect(url, timeout=SECONDS)
    except (OSError, TimeoutError, asyncpg.PostgresError) as error:
        return (f"takes no connection: {error or type(error).__name__}",)
    await connection.close(timeout=SECONDS)
    return ()


async def _health(port: int, path: str) -> tuple[str, ...]:
    answer = await get("127.0.0.1", port, path, seconds=SECONDS)
    if answer is None:
        return (f"does not answer on port {port}",)
    return () if answer.ok else _reasons(answer.body)


def _reasons(body: bytes) -> tuple[str, ...]:
    """The reasons in a health answer: a JSON object with `reasons`, else its text as it is."""
    text = body.decode("utf-8", "replace").strip()
    try:
        found = json.loads(text)["reasons"]
    except (ValueError, KeyError, TypeError):
        return (text or "says it is not ready and not why",)
    if isinstance(found, dict):
        found = [f"{name}: {why}" for name, why in found.items()]
    if isinstance(found, list) and found:
        return tuple(str(reason) for reason in found)
    return (text,)
