"""Whatever a task does to its worker, the next task is done and the event loop stays free."""

import asyncio
import os
import signal
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import psutil
import pytest

from postroom_mail.read import Mail, read
from postroom_runtime.errors import RefusedError, UnavailableError
from postroom_runtime.workers import Limits, WorkerPool
from support.processes import freeze, thaw
from support.waiting import eventually

TASKS = """
import ctypes, os, signal, sys, time

def work(data):
    word = data[:8].strip().decode()
    if word == "loop":
        while True:
            pass
    if word == "memory":
        return len(bytes(2_000_000_000))
    if word == "abort":
        os.abort()
    if word == "segv":
        ctypes.string_at(0)
    if word == "exit":
        os._exit(0)
    if word == "raise":
        raise ValueError("of no use")
    if word == "sleep":
        time.sleep(3600)
    if word == "print":
        print("between the frames", flush=True)
    if word == "once":  # killed from outside, the first time
        mark = data[8:].decode()
        if not os.path.exists(mark):
            open(mark, "w").close()
            os.kill(os.getpid(), signal.SIGKILL)
    return len(data)
"""
SHORT = Limits(wall_seconds=1.0, cpu_seconds=5.0)

Make = Callable[..., Awaitable[WorkerPool[int]]]


@pytest.fixture
async def pool(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Make]:
    """Makes started pools of the tasks above."""
    (tmp_path / "tried_tasks.py").write_text(TASKS)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    monkeypatch.setenv("POSTROOM_TOKEN_KEYS", "1:secret")
    made: list[WorkerPool[int]] = []

    async def make(size: int = 1, limits: Limits = SHORT) -> WorkerPool[int]:
        one = WorkerPool("tried_tasks:work", int, what="the task", size=size, limits=limits)
        made.append(one)
        await one.start()
        return one

    yield make
    for one in made:
        await one.stop()
    assert not _workers(), "workers are left over"


def _workers() -> list[psutil.Process]:
    return [
        one
        for one in psutil.Process().children()
        if one.status() != psutil.STATUS_ZOMBIE and "postroom_runtime.worker" in one.cmdline()
    ]


@pytest.mark.parametrize(
    ("task", "reason"),
    [
        # On a busy machine it may have had too little CPU to be blamed at once: then twice.
        (b"loop", r"the task took more than 1 s(, twice)?$"),
        (b"memory", r"the task took more than 512 MB of memory$"),
        (b"abort", r"ended its worker \(exit code -6\), twice"),
        (b"segv", r"ended its worker \(exit code -11\), twice"),
        (b"exit", r"ended its worker \(exit code 0\), twice"),
        (b"sleep", r"took more than 1 s, twice"),
        (b"raise", r"the task failed: ValueError: of no use"),
    ],
)
async def test_a_bad_task_is_refused_and_the_next_is_done(
    pool: Make, task: bytes, reason: str
) -> None:
    workers = await pool()
    began = time.monotonic()
    with pytest.raises(RefusedError, match=reason):
        await workers.call(task)
    assert time.monotonic() - began < 12
    assert await workers.call(b"fine") == 4


async def test_cpu_time_is_limited_by_the_kernel(pool: Make) -> None:
    workers = await pool(limits=Limits(wall_seconds=20, cpu_seconds=1))
    with pytest.raises(RefusedError, match="more than 1 s of CPU time"):
        await workers.call(b"loop")
    assert await workers.call(b"fine") == 4


async def test_the_loop_and_other_tasks_go_on_beside_an_endless_one(pool: Make) -> None:
    workers = await pool(size=2)
    endless = asyncio.create_task(workers.call(b"loop"))
    done = 0
    while not endless.done():
        assert await workers.call(b"fine") == 4
        done += 1
    with pytest.raises(RefusedError):
        await endless
    assert done > 5, "a task takes a few milliseconds, the endless one a second"


async def test_a_worker_killed_from_outside_is_not_the_tasks_fault(
    pool: Make, tmp_path: Path
) -> None:
    workers = await pool()
    task = b"once    " + str(tmp_path / "mark").encode()
    assert await workers.call(task) == len(task)
    (idle,) = _workers()
    os.kill(idle.pid, signal.SIGKILL)
    assert await workers.call(b"fine") == 4


async def test_a_frozen_worker_is_not_the_tasks_fault(pool: Make) -> None:
    workers = await pool()
    (idle,) = _workers()
    freeze(idle.pid)
    try:
        assert await workers.call(b"fine") == 4
    finally:
        thaw(idle.pid)


async def test_what_a_library_prints_does_not_get_between(pool: Make) -> None:
    workers = await pool()
    assert [await workers.call(b"print") for _ in range(3)] == [5, 5, 5]


async def test_large_tasks_pass_and_memory_is_given_back(pool: Make) -> None:
    workers = await pool()
    for _ in range(3):
        assert await workers.call(b"fine    " + bytes(26_000_000)) == 26_000_008


async def test_a_cancelled_caller_leaves_a_clean_worker(pool: Make) -> None:
    workers = await pool()
    caller = asyncio.create_task(workers.call(b"sleep"))
    busy = await eventually(lambda: _workers() and _workers()[0], what="a worker")
    await asyncio.sleep(0)
    caller.cancel()
    with pytest.raises(asyncio.CancelledError):
        await caller
    assert await workers.call(b"fine") == 4
    assert not busy.is_running()


async def test_stop_ends_workers_and_who_waits_is_told(pool: Make) -> None:
    workers = await pool()
    callers = [asyncio.create_task(workers.call(b"loop")) for _ in range(3)]
    await asyncio.sleep(0)
    await workers.stop()
    for caller in callers:
        with pytest.raises((UnavailableError, RefusedError)):
            await caller
    with pytest.raises(UnavailableError):
        await workers.call(b"fine")


async def test_workers_see_no_secret_and_end_with_their_service(pool: Make) -> None:
    await pool()
    (one,) = _workers()
    assert not [name for name in one.environ() if name.startswith("POSTROOM_")]


async def test_a_function_that_is_not_there_is_said_at_the_start() -> None:
    with pytest.raises(UnavailableError, match="did not start"):
        await WorkerPool("postroom_mail.read:nothing", Mail, what="x").start()


def _bombs() -> dict[str, bytes]:
    """24 KB each, of the shapes that cost the standard library seconds (SECURITY §2)."""
    head = b"From: a@x.example\r\nSubject: bomb\r\n"
    mixed = b'Content-Type: multipart/mixed; boundary="%d"\r\n\r\n--%d\r\n'
    return {
        "encoded words": head + b"X: " + b"=?" * 12_000 + b"\r\n\r\nx",
        "quotes": head + b'To: "' + b'\\"' * 6_000 + b"(" * 6_000 + b"\r\n\r\nx",
        "comments": head + b"To: " + b"(" * 24_000 + b"\r\n\r\nx",
        "addresses": head + b"To: " + b"a@b," * 6_000 + b"\r\n\r\nx",
        "From lines": head + b"".join(b"From: a\r\n" for _ in range(2_500)) + b"\r\nx",
        "nested": head + b"".join(mixed % (one, one) for one in range(400)),
        "parameters": head
        + b"Content-Type: text/plain"
        + b"".join(b";\r\n a*%d*=x" % one for one in range(2_000))
        + b"\r\n\r\nx",
        "dirty base64": head
        + b'Content-Type: multipart/mixed; boundary="="\r\n\r\n'
        + b"--=\r\nContent-Transfer-Encoding: base64\r\n\r\n=A=\r\n" * 400,
        "tags": head + b"Content-Type: text/html\r\n\r\n" + b"<b><i>" * 4_000,
        "spaces": head + b"Content-Type: text/html\r\n\r\n<a" + b" " * 24_000,
    }


@pytest.mark.parametrize("name", _bombs())
async def test_small_pathological_mails(name: str) -> None:
    bomb = _bombs()[name]
    ordinary = b"From: a@x.example\r\nSubject: After\r\n\r\nHello\r\n"
    workers = WorkerPool("postroom_mail.read:read", Mail, what="reading the mail", size=1)
    await workers.start()
    try:
        began = time.monotonic()
        mail = await workers.call(bomb)
        assert time.monotonic() - began < 2
        assert mail == read(bomb)
        assert (await workers.call(ordinary)).subject == "After"
    finally:
        await workers.stop()
