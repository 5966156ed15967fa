"""`postroom up`: everything in its order, kept alive, and stopped in the opposite order.

Laws:
- Nothing is started before the home is held and the fixed ports are known to be free.
- Services stop first, then NATS, then Postgres: what a service still has to say finds its broker.
- No child outlives this process, however it ends (postroom.child).
"""

import asyncio
import contextlib
import os
import signal
import sys
from collections.abc import Awaitable, Callable, Iterable, Sequence

from postroom import banner, services, tcp_ports
from postroom.child import Child, Command, describe
from postroom.config import Settings
from postroom.console import Console
from postroom.errors import OperatorError
from postroom.foundation import NATS, POSTGRES, Foundation
from postroom.home import Home, Running, State
from postroom.keeper import Keeper, Part
from postroom.probe import get

FOUNDATION_SECONDS = 90.0
SERVICES_SECONDS = 60.0
POLL_SECONDS = 0.05
STOP_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


async def up(settings: Settings, console: Console, home: Home) -> None:
    """Run until a signal asks to stop; the home is held by the caller.

    Raise OperatorError when something that the operator can put right prevents the start.
    """
    await Supervisor(settings, console, home).run()


def require_ports(settings: Settings) -> None:
    """Raise OperatorError when a fixed port is taken."""
    tcp_ports.require_free(
        settings.http_host,
        settings.http_port,
        purpose="the console",
        setting="POSTROOM_HTTP_PORT",
    )
    tcp_ports.require_free(
        settings.smtp_host,
        settings.smtp_port,
        purpose="incoming mail (SMTP)",
        setting="POSTROOM_SMTP_PORT",
    )


class Supervisor:
    """One run of `postroom up`."""

    def __init__(self, settings: Settings, console: Console, home: Home) -> None:
        self._settings = settings
        self._console = console
        self._home = home
        self._keepers: dict[str, Keeper] = {}
        self._runs: dict[str, asyncio.Task[None]] = {}
        self._health_ports: dict[str, int] = {}
        self._foundation: Foundation | None = None
        self._broken: BaseException | None = None
        self._stop = asyncio.Event()
        self._hurry = asyncio.Event()

    async def run(self) -> None:
        """Start all, wait for a signal, stop all."""
        loop = asyncio.get_running_loop()
        for number in STOP_SIGNALS:
            if signal.getsignal(number) is not signal.SIG_IGN:  # as under nohup
                loop.add_signal_handler(number, self._asked_to_stop)
        starting = asyncio.create_task(self._start())
        stop = asyncio.create_task(self._stop.wait())
        try:
            await asyncio.wait({starting, stop}, return_when=asyncio.FIRST_COMPLETED)
            if starting.done():
                starting.result()
            await stop
            if self._broken is not None:
                raise self._broken
        except BaseExceptionGroup as group:
            foreseen, rest = group.split(OperatorError)
            if foreseen is None or rest is not None:
                raise
            raise _first(foreseen) from group
        finally:
            stop.cancel()
            starting.cancel()
            with contextlib.suppress(asyncio.CancelledError, Exception):
                await starting  # its error, if any, is already on its way
            await self._stop_all()

    async def _start(self) -> None:
        first_time = not (self._home.secrets / services.ADMIN_PASSWORD).exists()
        self._home.secret(services.ADMIN_PASSWORD)
        self._foundation = await Foundation.prepare(self._home, self._settings)
        try:
            async with asyncio.timeout(FOUNDATION_SECONDS), asyncio.TaskGroup() as both:
                both.create_task(self._start_database(self._foundation))
                both.create_task(self._start_broker(self._foundation))
        except TimeoutError:
            slow = [name for name in (POSTGRES, NATS) if not self._is_ready(name)]
            who = " and ".join(slow) or "the migrations"
            raise OperatorError(
                f"{who} not ready after {FOUNDATION_SECONDS:g} s",
                f"look at the logs in {self._home.logs}",
            ) from None
        self._keep_services(needs_database=True)
        late = await self._until_services_ready()
        shown = banner.text(self._settings, self._home, first_time=first_time, late=late)
        self._console.plain(shown)

    async def _start_database(self, foundation: Foundation) -> None:
        await asyncio.to_thread(foundation.postgres.initialise)
        await self._keep(foundation.postgres_part())
        async with asyncio.TaskGroup() as both:
            for name in await foundation.behind():
                both.create_task(self._migrate(name, foundation))

    async def _start_broker(self, foundation: Foundation) -> None:
        await self._keep(foundation.nats_part())
        self._keep_services(needs_database=False)

    async def _keep(self, part: Part) -> None:
        """Start a foundation part and wait for it; raise its error when it cannot start."""
        keeper = self._run(part)
        ready = asyncio.create_task(keeper.ready.wait())
        try:
            await asyncio.wait({ready, self._runs[part.name]}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            ready.cancel()
        if not keeper.ready.is_set():
            self._runs[part.name].result()

    def _run(self, part: Part) -> Keeper:
        keeper = Keeper(part, self._console, self._write_state)
        keeper.hurry = self._hurry
        self._keepers[part.name] = keeper
        run = asyncio.create_task(keeper.run())
        run.add_done_callback(self._run_ended)
        self._runs[part.name] = run
        return keeper

    def _run_ended(self, run: asyncio.Task[None]) -> None:
        """A keeper never ends by itself: if one fails, stop everything and say why."""
        if not run.cancelled() and (error := run.exception()) is not None:
            self._broken = error
            self._stop.set()

    async def _migrate(self, name: str, foundation: Foundation) -> None:
        around = self._surroundings(foundation)
        command = Command(
            [sys.executable, "-m", services.module_of(name), "migrate"],
            services.migration_environment(name, around),
        )
        child = await Child.start(command, lambda text: self._console.line(name, text))
        try:
            code = await child.wait()
        finally:
            if child.returncode is None:
                await child.stop(services.GRACE_SECONDS, self._hurry)
        if code != 0:
            said = child.last_lines[-1] if child.last_lines else "it said nothing"
            raise OperatorError(
                f"the migrations of {name} failed ({describe(code)}): {said}",
                f"nothing else was started on this database; see {self._home.logs}/{name}.log",
            )

    def _surroundings(self, foundation: Foundation) -> services.Surroundings:
        return services.Surroundings(self._settings, self._home.secrets, foundation.nats.url)

    def _keep_services(self, *, needs_database: bool) -> None:
        for service in services.SERVICES:
            if service.needs_database == needs_database:
                self._run(self._service_part(service))

    def _service_part(self, service: services.Service) -> Part:
        foundation = self._foundation
        assert foundation is not None, "prepared before any service"
        around = self._surroundings(foundation)

        def command() -> Command:
            before = self._health_ports.get(service.name)
            others = {p for name, p in self._health_ports.items() if name != service.name}
            fixed = {self._settings.http_port, self._settings.smtp_port}
            port = tcp_ports.choose(before, besides=others | fixed | self._foundation_ports())
            self._health_ports[service.name] = port
            return Command(
                [sys.executable, "-m", service.module],
                services.environment(service, around, port),
            )

        return Part(
            name=service.name,
            command=command,
            until_ready=_answers(lambda: self._health_ports[service.name]),
        )

    def _foundation_ports(self) -> set[int]:
        found = self._foundation
        assert found is not None, "prepared before any service"
        return {found.postgres.port, found.nats.port, found.nats.monitor_port}

    async def _until_services_ready(self) -> Sequence[str]:
        """The names of those that are not ready when patience ends."""
        waits = [
            asyncio.create_task(self._keepers[service.name].ready.wait(), name=service.name)
            for service in services.SERVICES
        ]
        _, late = await asyncio.wait(waits, timeout=SERVICES_SECONDS)
        for wait in late:
            wait.cancel()
        return sorted(wait.get_name() for wait in late)

    def _is_ready(self, name: str) -> bool:
        return name in self._keepers and self._keepers[name].ready.is_set()

    def _asked_to_stop(self) -> None:
        if self._stop.is_set():
            self._console.say("asked again: stopping at once")
            self._hurry.set()
            return
        self._console.say("stopping; once more to stop at once")
        self._stop.set()

    async def _stop_all(self) -> None:
        names = [service.name for service in services.SERVICES]
        await self._stop_some(name for name in names if name in self._keepers)
        for name in (NATS, POSTGRES):
            await self._stop_some([name] if name in self._keepers else [])
        self._console.say("stopped")

    async def _stop_some(self, names: Iterable[str]) -> None:
        chosen = list(names)
        await asyncio.gather(*(self._keepers[name].stop() for name in chosen))
        for name in chosen:
            self._runs[name].cancel()
        await asyncio.gather(*(self._runs[name] for name in chosen), return_exceptions=True)

    def _write_state(self) -> None:
        found = self._foundation
        if found is None:
            return
        settings = self._settings
        children = tuple(
            Running(name, keeper.pid, self._health_ports.get(name, 0))
            for name, keeper in self._keepers.items()
        )
        state = State(
            pid=os.getpid(),
            console=settings.base_url,
            smtp=f"{settings.smtp_host}:{settings.smtp_port}",
            relay=settings.caller.get("POSTROOM_RELAY", ""),
            postgres_port=found.postgres.port,
            nats_port=found.nats.port,
            nats_monitor_port=found.nats.monitor_port,
            children=children,
        )
        try:
            self._home.write_state(state)
        except OSError as error:  # a full disk: `status` is behind, nothing else suffers
            self._console.say(f"cannot write state.json: {error.strerror}")


def _answers(port: Callable[[], int]) -> Callable[[], Awaitable[None]]:
    """Wait until /healthz/ready on the port of now answers 200."""

    async def until_ready() -> None:
        while True:
            answer = await get("127.0.0.1", port(), "/healthz/ready")
            if answer is not None and answer.ok:
                return
            await asyncio.sleep(POLL_SECONDS)

    return until_ready


def _first(group: BaseExceptionGroup[OperatorError]) -> OperatorError:
    """The first operator's error; one is enough to act on."""
    error = group.exceptions[0]
    return _first(error) if isinstance(error, BaseExceptionGroup) else error
