"""How the tests run Postgres and NATS: as programs from wheels, or in containers."""

import os
from collections.abc import Mapping
from dataclasses import dataclass

import pytest

from support.servers import Nats, Postgres

VARIABLE = "POSTROOM_TEST_BACKEND"
EMBEDDED = "embedded"
CONTAINERS = "containers"
REASONS = {
    EMBEDDED: "about the embedded servers themselves, and this run has them in containers",
    CONTAINERS: "about containers, which only `make test-containers` has",
}


@dataclass(frozen=True, slots=True)
class Backend:
    """The two servers; both kinds keep the same promises."""

    postgres: type[Postgres]
    nats: type[Nats]


def name(environ: Mapping[str, str] = os.environ) -> str:
    """Which backend is asked for; a name that does not exist ends the run."""
    asked = environ.get(VARIABLE) or EMBEDDED
    if asked not in REASONS:
        raise pytest.UsageError(f"{VARIABLE}={asked}: there are {EMBEDDED} and {CONTAINERS}")
    return asked


def chosen() -> Backend:
    """The backend that is asked for."""
    if name() == EMBEDDED:
        return Backend(Postgres, Nats)
    # Late: what only containers need costs the others half a second.
    from support.containers import ContainedNats, ContainedPostgres

    return Backend(ContainedPostgres, ContainedNats)


def left_out(item: pytest.Item) -> str | None:
    """Why a test has nothing to say about the chosen backend; None when it has."""
    for about, reason in REASONS.items():
        if item.get_closest_marker(about) and about != name():
            return reason
    return None
