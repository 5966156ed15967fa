"""`postroom events tail`: what happens, as it happens, out of the stream itself."""

import asyncio
import os
import re
import sys
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any, Final

import cyclopts
import msgspec
import nats
import nats.errors
from nats.js.api import ConsumerConfig, DeliverPolicy

from postroom import services
from postroom.answers import AsJson
from postroom.config import home_path
from postroom.errors import OperatorError
from postroom.home import Home
from postroom_contract import permissions
from postroom_contract.subjects import ROOT

events = cyclopts.App(name="events", help="Events of the running system.")
_UNITS: Final = {"s": 1, "m": 60, "h": 3_600, "d": 86_400}
_SHOWN: Final = ("subject", "recipient", "name", "email", "reason", "state", "error", "number")


@events.command
def tail(
    *,
    kind: Annotated[str, cyclopts.Parameter(name="--type")] = "",
    since: str = "",
    count: int = 0,
    as_json: AsJson = False,
) -> None:
    """Print events as they happen; Ctrl-C ends it.

    Parameters
    ----------
    kind
        Only of this type, as `mail.sorted`; or of a family, as `ticket`.
    since
        Begin so long ago, as `10m`, `2h`, `7d`; else now.
    count
        End after so many; 0 = never.
    as_json
        Print each event as one line of JSON.

    """
    began = datetime.now(tz=UTC) - _span(since) if since else None
    asyncio.run(_tail(Home(home_path(os.environ)), _filter(kind), began, count, as_json=as_json))


def _span(text: str) -> timedelta:
    found = re.fullmatch(r"(\d{1,6})([smhd])", text)
    if found is None:
        raise OperatorError(f"{text!r} is no span of time", "write it as 30s, 10m, 2h or 7d")
    return timedelta(seconds=int(found[1]) * _UNITS[found[2]])


def _filter(kind: str) -> str:
    family, _, name = kind.partition(".")
    if not re.fullmatch(r"[a-z_]*", family) or not re.fullmatch(r"[a-z_]*", name):
        raise OperatorError(f"{kind!r} is no type of event", "types are like mail.sorted")
    return f"{ROOT}.event.*.*.{family or '*'}.{name or '*'}.*"


async def _tail(
    home: Home, subject: str, began: datetime | None, count: int, *, as_json: bool
) -> None:
    port = home.read_state().nats_port
    user = permissions.OPERATOR
    try:
        client = await nats.connect(
            f"nats://127.0.0.1:{port}",
            user=user,
            password=home.secret(services.nats_password(user)),
            inbox_prefix=permissions.inbox_prefix(user).encode(),
            allow_reconnect=False,
            connect_timeout=3,
        )
    except (OSError, nats.errors.Error) as error:
        raise OperatorError(
            f"the broker cannot be reached: {error}", "start the system with `make up`"
        ) from error
    try:
        policy = DeliverPolicy.BY_START_TIME if began else DeliverPolicy.NEW
        start = began.isoformat() if began else None
        subscription = await client.jetstream().subscribe(
            subject,
            stream="EVENTS",
            ordered_consumer=True,
            config=ConsumerConfig(deliver_policy=policy, opt_start_time=start),  # type: ignore[arg-type]  # RFC 3339, as the server wants it
        )
        print("waiting for events", file=sys.stderr, flush=True)
        seen = 0
        async for message in subscription.messages:
            print(message.data.decode() if as_json else _line(message.data), flush=True)
            seen += 1
            if seen == count:
                return
    finally:
        await client.close()


def _line(data: bytes) -> str:
    """Return an event on one line."""
    event: dict[str, Any] = msgspec.json.decode(data)
    summary = event.get("summary") or {}
    told = [str(value) for name in _SHOWN if (value := summary.get(name) or event.get(name))]
    time = str(event.get("time", ""))[:19].replace("T", " ")
    words = " · ".join(" ".join(one.split()) for one in told)
    return f"{time}  {event.get('type', '?'):18} {event.get('about', '')}  {words}"
