"""How the whole is: the overview for everybody, the System page for who manages."""

from datetime import datetime
from typing import Final, Literal

import msgspec

from postroom_api.domain.values import Principal
from postroom_api.http.entries import require_administrator
from postroom_api.postgres.overview import Overview, Overviews
from postroom_api.vitals import Vitals
from postroom_contract.beats import Beat, SettingInForce
from postroom_contract.streams import STREAMS
from postroom_runtime.bus import Bus
from postroom_runtime.clock import Clock
from postroom_runtime.errors import UnavailableError

HOSTNAME: Final = "POSTROOM_SMTP_HOSTNAME"
PORT: Final = "POSTROOM_SMTP_PORT"


class ProcessView(msgspec.Struct, frozen=True, kw_only=True):
    """One process as it last said of itself."""

    service: str
    instance: str
    version: str
    started_at: datetime
    state: Literal["ready", "not_ready", "gone"]
    reasons: dict[str, str]
    settings: list[SettingInForce]


class StreamView(msgspec.Struct, frozen=True, kw_only=True):
    """One stream of the broker."""

    name: str
    messages: int
    octets: int
    limit: int
    """0 = none."""


class System(msgspec.Struct, frozen=True, kw_only=True):
    """All parts."""

    processes: list[ProcessView]
    broker: str
    """Its version, or why it is not known."""
    database: str
    streams: list[StreamView]


class Step(msgspec.Struct, frozen=True, kw_only=True):
    """One line of the checklist."""

    name: Literal["mailbox", "received", "rule", "forum", "relay"]
    done: bool
    href: str


class SystemDesk:
    """Answers for both faces."""

    def __init__(
        self, overviews: Overviews, vitals: Vitals, bus: Bus, clock: Clock, *, relay: bool
    ) -> None:
        self._overviews = overviews
        self._vitals = vitals
        self._bus = bus
        self._clock = clock
        self._relay = relay

    async def overview(self, who: Principal) -> Overview:
        """Return what one glance shows."""
        return await self._overviews.read(who, self._clock.now())

    async def begin(self, who: Principal) -> None:
        """Show the first steps by themselves no more."""
        require_administrator(who)
        await self._overviews.begin(who)

    @property
    def relay(self) -> bool:
        """Whether mail goes out."""
        return self._relay

    def door(self) -> tuple[str, str]:
        """Return name and port of the SMTP server, as it says itself; empty when it does not."""
        for beat, lives in self._vitals.processes():
            if beat.service == "smtp" and lives:
                said = {one.name: one.value for one in beat.settings}
                return said.get(HOSTNAME, ""), said.get(PORT, "")
        return "", ""

    def checklist(self, seen: Overview) -> list[Step]:
        """Return the steps of setting up, with what does each."""
        return [
            Step(name="mailbox", done=seen.mailboxes > 0, href="/mailboxes/new"),
            Step(name="received", done=seen.received, href="/messages"),
            Step(name="rule", done=seen.rules > 0, href="/rules/new"),
            Step(name="forum", done=seen.forums > 0, href="/forums"),
            Step(name="relay", done=self._relay, href="/system"),
        ]

    async def system(self, who: Principal) -> System:
        """Return the state of all parts; what does not answer is said in its place."""
        require_administrator(who)
        return System(
            processes=[_view(beat, lives=lives) for beat, lives in self._vitals.processes()],
            broker=self._bus.server_version or "it cannot be reached",
            database=await self._database(),
            streams=await self._streams(),
        )

    async def _database(self) -> str:
        try:
            return await self._overviews.database_version()
        except UnavailableError:
            return "it does not answer"

    async def _streams(self) -> list[StreamView]:
        found: list[StreamView] = []
        for spec in STREAMS:
            try:
                info = await self._bus.stream_info(spec.name)
            except UnavailableError:
                return found
            state, limit = info["state"], int(info["config"].get("max_bytes", 0))
            found.append(
                StreamView(
                    name=spec.name,
                    messages=int(state["messages"]),
                    octets=int(state["bytes"]),
                    limit=max(limit, 0),
                )
            )
        return found


def _view(beat: Beat, *, lives: bool) -> ProcessView:
    state: Literal["ready", "not_ready", "gone"] = "not_ready" if beat.reasons else "ready"
    return ProcessView(
        service=beat.service,
        instance=beat.instance,
        version=beat.version,
        started_at=beat.started_at,
        state=state if lives else "gone",
        reasons=beat.reasons,
        settings=list(beat.settings),
    )
