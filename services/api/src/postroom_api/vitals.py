"""The processes as they last said of themselves."""

import time
from typing import Final

from nats.aio.msg import Msg

from postroom_contract import subjects
from postroom_contract.beats import Beat
from postroom_contract.codec import ContractError, decode
from postroom_runtime.bus import Bus

GONE_AFTER: Final = 16.0
"""Seconds: three beats were missed."""
FORGOTTEN_AFTER: Final = 600.0


class Vitals:
    """Hears `beat.*`."""

    def __init__(self, bus: Bus) -> None:
        self._bus = bus
        self._heard: dict[tuple[str, str], tuple[Beat, float]] = {}

    async def start(self) -> None:
        """Listen, from now on and after each reconnect."""
        await self._bus.client.subscribe(subjects.beat("*"), cb=self._hear)

    async def _hear(self, message: Msg) -> None:
        try:
            beat = decode(message.data, Beat)
        except ContractError:
            return  # of a newer version
        now = time.monotonic()
        self._heard[beat.service, beat.instance] = (beat, now)
        old = [key for key, (_, at) in self._heard.items() if now - at > FORGOTTEN_AFTER]
        for key in old:
            del self._heard[key]

    def processes(self) -> list[tuple[Beat, bool]]:
        """Return each process with whether it still lives, by service."""
        now = time.monotonic()
        found = [(beat, now - at <= GONE_AFTER) for beat, at in self._heard.values()]
        alive = {beat.service for beat, lives in found if lives}
        # One that was replaced is nobody's trouble.
        shown = [(beat, lives) for beat, lives in found if lives or beat.service not in alive]
        return sorted(shown, key=lambda one: (one[0].service, one[0].instance))
