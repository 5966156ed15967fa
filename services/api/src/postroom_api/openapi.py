"""The API's description as a file: `python -m postroom_api.openapi --write | --check`.

`--check` ends with 1 where `services/api/openapi.json` is not what the routes say; `--write` too
where a program written for the old description would break (`--breaking` writes it all the same).
"""

import sys
from pathlib import Path
from typing import Any

import msgspec

from postroom_api.domain.breaking import breaks
from postroom_api.http.application import completed, litestar_of

FILE = Path(__file__).resolve().parents[2] / "openapi.json"


def description() -> dict[str, Any]:
    """Return what the routes say of themselves; no part of the system has to run."""
    schema = completed(litestar_of(None, None, "1"))
    plain: dict[str, Any] = msgspec.json.decode(msgspec.json.encode(schema, enc_hook=str))
    for one in plain["components"]["schemas"].values():
        one.pop("default", None)  # of whichever field came first in this run
    return plain


def _formatted(found: dict[str, Any]) -> bytes:
    return msgspec.json.format(msgspec.json.encode(found, order="sorted"), indent=1) + b"\n"


def main(arguments: list[str]) -> int:
    """Write or check; return the exit code."""
    found = description()
    if arguments == ["--check"]:
        if FILE.read_bytes() == _formatted(found):
            return 0
        sys.stderr.write("services/api/openapi.json differs from the routes: run `make schema`\n")
        return 1
    if arguments not in (["--write"], ["--write", "--breaking"]):
        sys.stderr.write("usage: python -m postroom_api.openapi --write [--breaking] | --check\n")
        return 2
    wrong = breaks(msgspec.json.decode(FILE.read_bytes()), found) if FILE.exists() else []
    if wrong and "--breaking" not in arguments:
        sys.stderr.write("".join(f"breaking: {one}\n" for one in wrong))
        sys.stderr.write("nothing was written; mean it? `--write --breaking`\n")
        return 1
    FILE.write_bytes(_formatted(found))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
