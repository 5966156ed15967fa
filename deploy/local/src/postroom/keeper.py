"""Keeping one process alive: start, watch, restart with growing pauses, never give up."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass

from postroom.child import Child, Command, describe
from postroom.console import Console
from postroom.errors import OperatorError
from postroom.services import GRACE_SECONDS

FIRST_PAUSE = 0.25
LONGEST_PAUSE = 30.0
LONG_LIFE = 60.0
"""Seconds after which a life counts as healthy and the pauses begin anew."""


def restart_pause(failures: int) -> float:
    """Seconds before the restart that follows the given number of short lives in a row (from 1)."""
    return min(LONGEST_PAUSE, FIRST_PAUSE * 2.0 ** min(failures - 1, 20))


@dataclass(frozen=True, slots=True)
class Part:
    """One process of the system and how to know that it is ready."""

    name: str
    command: Callable[[], Command]
    """Asked at each start: a port of its own may have to be chosen anew."""
    until_ready: Callable[[], Awaitable[None]]
    """Returns when the process serves; cancelled when the process ends first."""
    when_ready: Callable[[], Awaitable[None]] | None = None
    """What it needs after each start before others may use it."""
    explain: Callable[[Sequence[str]], OperatorError] | None = None
    """Set where nothing makes sense without it: ending before it was ever ready is then fatal."""
    shown: Callable[[str], bool] = lambda _line: True
    """Which of its lines the terminal shows; its log file has all."""
    grace: float = GRACE_SECONDS
    """Seconds between the request to stop and the kill."""
    is_stuck: Callable[[str], bool] = lambda _line: False
    """Whether a line of it says that it goes on, but works again only from a new start …"""
    until_worth_it: Callable[[], Awaitable[None]] | None = None
    """… and this returns when that makes sense."""


class Keeper:
    """Runs one Part until `stop`. `run` ends early only with the part's explained error."""

    def __init__(self, part: Part, console: Console, on_change: Callable[[], None]) -> None:
        self.part = part
        self.ready = asyncio.Event()
        self.hurry = asyncio.Event()
        self._console = console
        self._on_change = on_change
        self._child: Child | None = None
        self._stopping = False
        self._failures = 0
        self._was_ready = False
        self._renewing: asyncio.Task[None] | None = None

    @property
    def pid(self) -> int:
        """Of the process that runs at this moment; 0 between two."""
        return self._child.pid if self._child and self._child.returncode is None else 0

    async def run(self) -> None:
        """Start it again and again; raise OperatorError when `explain` has the last word."""
        clock = asyncio.get_running_loop().time
        while not self._stopping:
            began = clock()
            ended = await self._one_life()
            if self._stopping:
                return
            self._failures = 1 if clock() - began >= LONG_LIFE else self._failures + 1
            pause = restart_pause(self._failures)
            self._console.say(f"{self.part.name} ended ({ended}); starting it again in {pause:g} s")
            await asyncio.sleep(pause)

    async def stop(self) -> None:
        """Stop the process and keep it stopped. Idempotent."""
        self._stopping = True
        child = self._child
        if child is None:
            return
        if child.returncode is None:
            await child.stop(self.part.grace, self.hurry)
        self.ready.clear()

    async def _one_life(self) -> str:
        """Start the process and see it end; how it ended, in words."""
        name = self.part.name

        def on_line(text: str) -> None:
            self._console.line(name, text, shown=self.part.shown(text))
            if self._renewing is None and self.part.is_stuck(text):
                self._renewing = asyncio.create_task(self._renew())

        try:
            child = await Child.start(self.part.command(), on_line)
        except OSError as error:  # no memory, no processes left: worth another try
            return str(error)
        self._child = child
        self._on_change()
        if self._stopping:  # asked while it was being started
            await self.stop()
        code = await self._watch(child)
        if self.part.explain and not self._was_ready and not self._stopping:
            raise self.part.explain(tuple(child.last_lines))
        return describe(code)

    async def _watch(self, child: Child) -> int:
        ended = asyncio.create_task(child.wait())
        getting_ready = asyncio.create_task(self._become_ready())
        try:
            await asyncio.wait({ended, getting_ready}, return_when=asyncio.FIRST_COMPLETED)
            if getting_ready.done():
                getting_ready.result()
            return await ended
        finally:
            getting_ready.cancel()
            ended.cancel()
            if self._renewing is not None:
                self._renewing.cancel()
                self._renewing = None
            self.ready.clear()
            self._on_change()

    async def _renew(self) -> None:
        """End a process that is stuck, when a new one can do better."""
        if self.part.until_worth_it is not None:
            await self.part.until_worth_it()
        if self._child is not None and not self._stopping:
            self._console.say(f"{self.part.name} is stuck: it is started anew")
            await self._child.stop(self.part.grace, self.hurry)

    async def _become_ready(self) -> None:
        """Try until it succeeds; only at the first start is an operator's error the end."""
        failures = 0
        while True:
            try:
                await self.part.until_ready()
                if self.part.when_ready is not None:
                    await self.part.when_ready()
                break
            except Exception as error:  # said and tried again: its cause may end at any moment
                if isinstance(error, OperatorError) and not self._was_ready:
                    raise
                failures += 1
                pause = restart_pause(failures)
                said = f"{type(error).__name__}: {error}".rstrip(": ")
                self._console.say(
                    f"{self.part.name} is not prepared ({said}); again in {pause:g} s"
                )
                await asyncio.sleep(pause)
        if self._was_ready:
            self._console.say(f"{self.part.name} is back")
        self._was_ready = True
        self.ready.set()
