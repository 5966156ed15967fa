"""How many fetchers there are, by their signs of life. Port: Replicas."""

import asyncio
import time
from typing import Final

from nats.aio.msg import Msg

from postroom_contract import subjects
from postroom_contract.beats import Beat
from postroom_contract.codec import ContractError, decode
from postroom_runtime.beacon import SECONDS
from postroom_runtime.bus import Bus

GONE_AFTER: Final = 3 * SECONDS + 1
"""Seconds: three signs were missed."""


class HeardReplicas:
    """Hears `beat.fetcher`, which this process says too."""

    def __init__(self) -> None:
        self._heard: dict[str, float] = {}
        self.newcomer = asyncio.Event()
        """Set when one was heard for the first time: it wants to hear of us."""

    async def listen(self, bus: Bus) -> None:
        """Listen from now on."""
        await bus.client.subscribe(subjects.beat("fetcher"), cb=self._hear)

    async def _hear(self, message: Msg) -> None:
        try:
            beat = decode(message.data, Beat)
        except ContractError:
            return  # of a version of ours to come; it is one more at most
        if beat.instance not in self._heard:
            self.newcomer.set()
        self._heard[beat.instance] = time.monotonic()

    def count(self) -> int:
        """Return how many live; this one counts before it was heard."""
        now = time.monotonic()
        for instance in [one for one, at in self._heard.items() if now - at > GONE_AFTER]:
            del self._heard[instance]
        return max(len(self._heard), 1)
