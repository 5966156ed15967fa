"""Waiting for something to become true, always with a deadline: the only place that may pause."""

import asyncio
import inspect
import time
from collections.abc import Awaitable, Callable
from typing import TypeVar

T = TypeVar("T")
PAUSE = 0.02
DEADLINE = 20.0


async def eventually(
    ask: Callable[[], T | Awaitable[T]], deadline: float = DEADLINE, *, what: str = ""
) -> T:
    """Ask again and again until the answer is true; return it, or fail after `deadline` seconds.

    `ask` may be a coroutine function. An AssertionError or OSError counts as "not yet".
    """
    end = time.monotonic() + deadline
    last: object = None
    while time.monotonic() < end:
        try:
            answer = ask()
            if inspect.isawaitable(answer):
                answer = await answer
        except (AssertionError, OSError) as error:
            last = error
        else:
            if answer:
                return answer  # type: ignore[return-value]  # awaited above
            last = answer
        await asyncio.sleep(PAUSE)
    raise AssertionError(f"{what or 'the condition'} was not met in {deadline:g} s; last: {last!r}")


def eventually_sync(ask: Callable[[], T], deadline: float = DEADLINE, *, what: str = "") -> T:
    """As `eventually`, where there is no event loop."""
    end = time.monotonic() + deadline
    last: object = None
    while time.monotonic() < end:
        try:
            answer = ask()
        except (AssertionError, OSError) as error:
            last = error
        else:
            if answer:
                return answer
            last = answer
        time.sleep(PAUSE)
    raise AssertionError(f"{what or 'the condition'} was not met in {deadline:g} s; last: {last!r}")
