"""A disk whose power can fail: an ext4 image on a loop device, copied while nothing moves.

Laws:
- What nobody asked to be on the disk is not in the copy. The journal commits when a program syncs
  or after five minutes (`commit=300`), and a dirty page stays in the mounted file system until
  the kernel finds it 30 s old; nothing but the kernel's writes to the device reaches the image.
- The copy is of one instant: if the device was written to meanwhile, it is made again.
- A mount ends with this process, however this process ends.
"""

import contextlib
import os
import shutil
import subprocess
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import psutil

from support.waiting import eventually_sync

SIZE = "3G"
"""Sparse. Of what is free the broker takes four fifths, in whole GiB, and at least one."""
MAKE = ("mkfs.ext4", "-q", "-F", "-E", "lazy_itable_init=0,lazy_journal_init=0", "-J", "size=64")
OPTIONS = "loop,commit=300,noatime"
TOOLS = ("mkfs.ext4", "mount", "umount", "cp", "sync")
GUARD = 'read -r _; umount --lazy "$0" 2>/dev/null'
STOPPED = frozenset("TtZX")
STILL_SECONDS = 20.0


class NoMountsError(Exception):
    """This machine has no loop mounts for us; the text names what is missing."""


def require_loop_mounts() -> None:
    """Raise NoMountsError unless a loop mount can be tried here."""
    if os.geteuid() != 0:
        raise NoMountsError("a power cut needs root, who may mount a loop device")
    missing = [name for name in TOOLS if shutil.which(name) is None]
    if missing:
        raise NoMountsError(
            f"a power cut needs {', '.join(missing)}: apt-get install e2fsprogs mount"
        )
    if not Path("/dev/loop-control").exists():
        raise NoMountsError("a power cut needs loop devices: there is no /dev/loop-control")


@dataclass
class Disk:
    """One ext4 file system at `mount_point`; its images lie in `directory`.

    `close` in the end. `mount` ... `cut` ... `replace` is one power cut and the start after it.
    """

    directory: Path
    mount_point: Path
    image: Path = field(init=False)
    _guard: subprocess.Popen[bytes] | None = None
    _copies: int = 0

    def __post_init__(self) -> None:
        self.image = self.directory / "disk-0.ext4"

    def make(self) -> None:
        """Make the file system and mount it; NoMountsError where mounting is refused."""
        require_loop_mounts()
        self.directory.mkdir(parents=True, exist_ok=True)
        self.mount_point.mkdir(parents=True, exist_ok=True)
        with self.image.open("xb"):
            pass
        _run("truncate", "-s", SIZE, str(self.image))
        _run(*MAKE, str(self.image))
        try:
            self._mount(self.image)
        except subprocess.CalledProcessError as error:
            said = error.stderr.decode(errors="replace").strip()
            raise NoMountsError(f"this machine refuses loop mounts: {said}") from error

    def sync(self) -> None:
        """Bring everything to the device, as a program that runs for long has long done."""
        _run("sync", "--file-system", str(self.mount_point))

    def cut(self) -> Path:
        """Return a new image with what is on the device now; the writers must stand still."""
        self._copies += 1
        copy = self.directory / f"disk-{self._copies}.ext4"

        def copied_at_one_instant() -> bool:
            before = self._writes()
            _run("cp", "--sparse=always", str(self.image), str(copy))
            return self._writes() == before

        eventually_sync(copied_at_one_instant, STILL_SECONDS, what="the device stands still")
        return copy

    def replace(self, image: Path) -> None:
        """Go on with another image at the same place; the one before is removed."""
        self.unmount()
        self.image.unlink()
        self.image = image
        self._mount(image)

    @contextmanager
    def looking_into(self, image: Path) -> Iterator[None]:
        """Mount a copy of `image` for a while, so that looking changes nothing in `image`.

        It takes the place of what is mounted; afterwards nothing is, until `replace`.
        """
        look = image.with_suffix(".look")
        _run("cp", "--sparse=always", str(image), str(look))
        self.unmount()
        self._mount(look)
        try:
            yield
        finally:
            self.unmount()
            look.unlink()

    def unmount(self) -> None:
        """Unmount, as soon as nobody holds a file there any more. Idempotent."""
        if self._guard is None:
            return
        place = str(self.mount_point)

        def unmounted() -> bool:
            return subprocess.run(["umount", place], capture_output=True).returncode == 0

        try:
            eventually_sync(unmounted, STILL_SECONDS, what=f"{place} is unmounted")
        finally:
            guard, self._guard = self._guard, None
            assert guard.stdin is not None
            guard.stdin.close()
            guard.wait(STILL_SECONDS)

    def close(self) -> None:
        """Unmount and remove the images."""
        try:
            self.unmount()
        finally:
            for image in self.directory.glob("disk-*"):
                image.unlink()

    def _mount(self, image: Path) -> None:
        _run("mount", "-t", "ext4", "-o", OPTIONS, str(image), str(self.mount_point))
        # It reads to the end of a pipe that only we hold open: the kernel closes it for us.
        self._guard = subprocess.Popen(
            ["sh", "-c", GUARD, str(self.mount_point)],
            stdin=subprocess.PIPE,
            start_new_session=True,
        )

    def _writes(self) -> tuple[int, ...]:
        """Count the writes and flushes that the device has done and has in hand."""
        device = self.mount_point.stat().st_dev
        place = Path(f"/sys/dev/block/{os.major(device)}:{os.minor(device)}")
        counts = [int(word) for word in (place / "stat").read_text().split()]
        return counts[4], counts[15], counts[8]


def freeze_whole(pid: int) -> list[psutil.Process]:
    """Stop a process and all its descendants, to the last thread; return them for `end_all`.

    Unlike `processes.freeze` it leaves out nobody who was born meanwhile, and it returns only when
    the last write of a thread in the middle of one is over.
    """
    parent = psutil.Process(pid)

    def all_stopped() -> list[psutil.Process]:
        family = [parent, *parent.children(recursive=True)]
        for one in family:
            with contextlib.suppress(psutil.NoSuchProcess):
                one.suspend()
        still = all(_stopped(one.pid) for one in family)
        return family if still and _same(family, parent) else []

    return eventually_sync(all_stopped, STILL_SECONDS, what="the system stands still")


def end_all(processes: Iterable[psutil.Process]) -> None:
    """Kill them where they stand, and return when they are gone."""
    dying = list(processes)
    for one in dying:
        with contextlib.suppress(psutil.NoSuchProcess):
            one.kill()
    eventually_sync(lambda: all(map(_gone, dying)), STILL_SECONDS, what="all are gone")


def _same(family: list[psutil.Process], parent: psutil.Process) -> bool:
    return set(family) == {parent, *parent.children(recursive=True)}


def _stopped(pid: int) -> bool:
    try:
        states = [path.read_text() for path in Path(f"/proc/{pid}/task").glob("*/stat")]
    except OSError:  # a thread or all of it ended: look again
        return False
    return all(text.rpartition(")")[2].split()[0] in STOPPED for text in states)


def _gone(process: psutil.Process) -> bool:
    try:
        return process.status() == psutil.STATUS_ZOMBIE  # its files are closed, its parent's turn
    except psutil.NoSuchProcess:
        return True


def _run(*command: str) -> None:
    subprocess.run(command, check=True, capture_output=True)
