"""As whom Postgres runs, which refuses to run as root.

An ordinary user runs it directly. Root runs it in a user namespace of its own, where the files of
root belong to an ordinary user; where the kernel refuses such namespaces, as `nobody`.
"""

import os
import pwd
import shutil
import stat
import subprocess
from dataclasses import dataclass
from pathlib import Path

from postroom.errors import OperatorError

NAMESPACE = ("unshare", "--user", "--map-user=1000", "--map-group=1000")
PROBE_SECONDS = 10.0


@dataclass(frozen=True, slots=True)
class Identity:
    """How a command is started so that it does not run as root."""

    prefix: tuple[str, ...] = ()
    uid: int | None = None
    gid: int | None = None

    def hand_over(self, path: Path) -> None:
        """Let the identity own `path`, a file or an empty directory."""
        if self.uid is not None and self.gid is not None:
            os.chown(path, self.uid, self.gid)


def unprivileged(home: Path, *, namespaces: bool = True) -> Identity:
    """The identity for this process's children; raise OperatorError when root has no way down.

    `namespaces=False` leaves user namespaces out, as on a machine that refuses them.
    """
    if os.geteuid() != 0:
        return Identity()
    if namespaces and _namespace_works():
        return Identity(prefix=NAMESPACE)
    nobody = pwd.getpwnam("nobody")
    # Only passing through: the directories that hold anything stay 0700.
    home.chmod(home.stat().st_mode | stat.S_IXOTH)
    closed = [p for p in home.resolve().parents if not p.stat().st_mode & stat.S_IXOTH]
    if closed:
        raise OperatorError(
            "Postgres does not run as root, this machine refuses user namespaces, and the user "
            f"`nobody` cannot enter {closed[-1]}",
            "run postroom as an ordinary user, or set POSTROOM_HOME to a place such as "
            "/var/lib/postroom",
        )
    return Identity(uid=nobody.pw_uid, gid=nobody.pw_gid)


def _namespace_works() -> bool:
    if shutil.which(NAMESPACE[0]) is None:
        return False
    try:
        probe = subprocess.run(  # noqa: S603 - a constant command
            [*NAMESPACE, "true"], capture_output=True, timeout=PROBE_SECONDS, check=False
        )
    except (OSError, subprocess.TimeoutExpired):
        return False
    return probe.returncode == 0
