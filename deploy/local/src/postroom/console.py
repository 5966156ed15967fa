"""One tidy log: every child's lines with its name in front, on the terminal and in log/<name>.log.

Law: the log never holds up what it reports. Files are written at once; the terminal has a thread
and a bounded queue of its own, so one that is stopped with Ctrl-S, or closed, costs lines there
and nothing else.
"""

import contextlib
import queue
import threading
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Self, TextIO

OWN_NAME = "postroom"
NAME_WIDTH = 12
QUEUE_LINES = 5_000
CLOSE_SECONDS = 2.0
LARGEST_LOG_BYTES = 20_000_000
RESET = "\x1b[0m"
COLOURS = ("36", "32", "33", "35", "34", "96", "92", "93")


class Console:
    """Where lines go. Use as a context manager: leaving it writes out what is queued."""

    def __init__(self, terminal: TextIO, logs: Path, environ: Mapping[str, str]) -> None:
        self._terminal = terminal
        self._logs = logs
        self._colour = terminal.isatty() and not environ.get("NO_COLOR")
        self._seen: list[str] = []
        self._dropped = 0
        self._queue: queue.Queue[str | None] = queue.Queue(QUEUE_LINES)
        # A daemon: a terminal that never takes another line must not keep the process alive.
        self._writer = threading.Thread(target=self._write_out, name="terminal", daemon=True)

    def __enter__(self) -> Self:
        self._writer.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        with contextlib.suppress(queue.Full):
            self._queue.put(None, timeout=CLOSE_SECONDS)
        self._writer.join(CLOSE_SECONDS)

    def say(self, text: str) -> None:
        """A line of the supervisor's own."""
        self.line(OWN_NAME, text)

    def line(self, name: str, text: str, *, shown: bool = True) -> None:
        """Write `text` to the log of `name`, and to the terminal when `shown`."""
        self._keep(name, text)
        if shown:
            self._show(self._prefixed(name, text))

    def plain(self, text: str) -> None:
        """Lines for the terminal alone, without a prefix; never a log's business."""
        self._show(text)

    def _show(self, text: str) -> None:
        try:
            if self._dropped:
                self._queue.put_nowait(f"… {self._dropped} lines are only in {self._logs}")
                self._dropped = 0
            self._queue.put_nowait(text)
        except queue.Full:
            self._dropped += 1

    def _prefixed(self, name: str, text: str) -> str:
        label = f"{name:>{NAME_WIDTH}} │"
        if self._colour:
            if name not in self._seen:
                self._seen.append(name)
            label = f"\x1b[{COLOURS[self._seen.index(name) % len(COLOURS)]}m{label}{RESET}"
        return f"{label} {text}"

    def _keep(self, name: str, text: str) -> None:
        path = self._logs / f"{name}.log"
        try:
            if path.exists() and path.stat().st_size > LARGEST_LOG_BYTES:
                path.replace(path.with_suffix(".log.1"))
            with path.open("a", encoding="utf-8") as file:
                file.write(text + "\n")
        except OSError as error:  # a full disk must not end the supervisor
            self._show(f"cannot write {path}: {error.strerror}")

    def _write_out(self) -> None:
        while (text := self._queue.get()) is not None:
            # A closed terminal (`up | head`) is no reason to stop: the files have everything.
            with contextlib.suppress(OSError, ValueError):
                print(text, file=self._terminal, flush=True)
