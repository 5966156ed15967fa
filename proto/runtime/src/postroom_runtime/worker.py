"""The inside of a worker process: `python -m postroom_runtime.worker MODULE:FUNCTION CPU MEMORY`.

Reads tasks from standard input and answers each on what was standard output: frames as `workers`
describes them. Ends when its input ends, so it never outlives its service by more than a task.
"""

import gc
import os
import resource
import struct
import sys
import time
from collections.abc import Callable
from importlib import import_module
from math import ceil
from typing import Any, BinaryIO

import msgspec

LENGTH = struct.Struct("!I")
REPLY = struct.Struct("!BdI")
"""Kind of the answer, seconds of CPU the process has used so far, octets that follow."""
READY, VALUE, FAILED, MEMORY = range(4)

EXIT_MEMORY = 12
_PAGE = resource.getpagesize()


def _address_space() -> int:
    with open("/proc/self/statm", encoding="ascii") as statm:  # noqa: PTH123 - once a task, and three times as fast
        return int(statm.read().split()[0]) * _PAGE


def _function(target: str) -> Callable[[bytes], Any]:
    module, _, name = target.partition(":")
    found: Callable[[bytes], Any] = getattr(import_module(module), name)
    return found


def _limit_cpu(seconds: float) -> None:
    """Let the kernel end this process when it has used `seconds` more than now."""
    hard = resource.getrlimit(resource.RLIMIT_CPU)[1]
    resource.setrlimit(resource.RLIMIT_CPU, (ceil(time.process_time() + seconds), hard))


def _answer(out: BinaryIO, kind: int, payload: bytes) -> None:
    out.write(REPLY.pack(kind, time.process_time(), len(payload)) + payload)
    out.flush()


def _work(function: Callable[[bytes], Any], data: bytes) -> tuple[int, bytes]:
    try:
        return VALUE, msgspec.msgpack.encode(function(data))
    except MemoryError:
        return MEMORY, b""
    except Exception as error:  # noqa: BLE001 - said to the caller, who refuses this one task
        return FAILED, f"{type(error).__name__}: {error}"[:500].encode("utf-8", "replace")


def main(target: str, cpu_seconds: float, memory: int) -> None:
    """Work until the input ends."""
    tasks, out = sys.stdin.buffer, os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # what a library prints must not get between the frames
    function = _function(target)
    gc.freeze()
    start = _address_space()
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_AS, (start + memory, start + memory))
    _answer(out, READY, b"")
    while len(head := tasks.read(LENGTH.size)) == LENGTH.size:
        data = tasks.read(LENGTH.unpack(head)[0])
        _limit_cpu(cpu_seconds)
        kind, payload = _work(function, data)
        _answer(out, kind, payload)
        # What one task took and did not give back would be missing in the next one's allowance.
        if kind == MEMORY or _address_space() > start + memory // 2:
            sys.exit(EXIT_MEMORY)


if __name__ == "__main__":
    main(sys.argv[1], float(sys.argv[2]), int(sys.argv[3]))
