"""`postroom up` with the real services: from the command to a page, and back to nothing."""

import asyncio
import importlib.util
import time

import httpx
import pytest

from support.system import System
from support.waiting import eventually

MISSING = [
    name
    for name in ("fetcher", "smtp", "rules", "api", "forum_bridge")
    if importlib.util.find_spec(f"postroom_{name}.__main__") is None
]
pytestmark = pytest.mark.skipif(bool(MISSING), reason=f"not written yet: {', '.join(MISSING)}")


@pytest.fixture(scope="module")
def standing(tmp_path_factory, untouched):
    """One for all that kill: each leaves it whole."""
    made = System(tmp_path_factory.mktemp("standing"))
    made.begin_as(untouched)
    made.start()
    try:
        asyncio.run(made.wait_ready())
        yield made
    finally:
        made.stop()


async def test_from_the_command_to_a_page_and_back(system, record_property):
    for start in ("first", "second"):
        began = time.monotonic()
        system.start()
        await system.wait_ready()
        async with httpx.AsyncClient(base_url=system.base_url, follow_redirects=True) as client:
            page = await client.get("/")
        took = time.monotonic() - began
        record_property(f"{start}_start_seconds", round(took, 2))
        assert page.status_code == 200
        print(f"the {start} start took {took:.1f} s")  # reported, never asserted
        assert system.status()["ready"]
        assert system.interrupt() == 0
        assert "Traceback" not in system.log
        migrated = "schema config: 0001" in system.log
        assert migrated == (start == "first"), "the second time there is nothing to apply"
        assert "nothing to apply" not in system.log


@pytest.mark.parametrize("name", ["postgres", "nats", "api", "forum-bridge", "rules", "smtp"])
async def test_whatever_is_killed_the_whole_is_ready_again(standing, name):
    killed = standing.kill9(name)
    await standing.back(name, killed)

    async def whole():
        return (await standing.look()).ready

    await eventually(whole, 30, what="everything is ready again")
