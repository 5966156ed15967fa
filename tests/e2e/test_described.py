"""The description of the API is true: what it says may be sent, is answered as it says."""

import itertools
from typing import Any

import httpx
import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, seed, settings
from schemathesis import Case, GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.core.failures import FailureGroup
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from support import chance, world
from support.corpora import soaking
from support.system import System
from support.world import World

EXAMPLES = 25 if soaking("described") else 2
"""Of each operation, and of each kind: fitting and unfitting; 25 in `make soak NAME=described`."""
CHECKS = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_schema_conformance,
]
PLACES = {"entry": "set_aside", "serial": "delivery", "person": "user", "secret": "connect_link"}
LEFT_OUT = {"removeAccount"}
"""Would take away what the others are tried on."""


@pytest.fixture
async def full(system: System, untouched: System) -> World:
    """A system with something under every kind of id."""
    system.begin_as(untouched)
    system.start()
    await system.wait_ready()
    return await world.build(system)


def test_answers_are_as_described(system: System, full: World) -> None:
    """Requests made of the description, fitting and not, with ids that exist and that do not."""
    chance.say_seed()
    description = httpx.get(f"{system.base_url}/schema/openapi.json").json()
    schema = schemathesis.openapi.from_dict(description)
    schema.config.update(base_url=system.base_url)
    wrong: list[str] = []
    asked = 0
    for found in schema.get_all_operations():
        operation = found.ok()
        if operation.definition.raw["operationId"] in LEFT_OUT:
            continue
        for mode in GenerationMode:
            asked += _try(operation, mode, full, wrong)
    assert not wrong, f"{len(wrong)} of {asked}:\n" + "\n\n".join(wrong[:25])
    assert asked > 300, "that few requests prove little"


def _try(operation: Any, mode: GenerationMode, full: World, wrong: list[str]) -> int:
    """Ask one operation some times; note what was wrong, return how often it was asked."""
    numbers = itertools.count()
    ids = {one.kind: one.id for one in full.things if world.ADMIN in one.seen_by}
    feed = "text/event-stream" in str(operation.definition.raw["responses"])

    @seed(chance.SEED)
    @settings(
        max_examples=EXAMPLES,
        database=None,
        deadline=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(case=operation.as_strategy(generation_mode=mode))
    def ask(case: Case) -> None:
        if next(numbers) % 2 == 0 and not feed:  # every other one is about something there is
            for name in case.path_parameters or ():
                known = ids.get(PLACES.get(name, name))
                if known is not None:
                    case.path_parameters[name] = known
        answer = case.call(headers=full.headers[world.ADMIN], timeout=20)
        try:
            case.validate_response(answer, checks=CHECKS)
        except FailureGroup as error:
            said = "; ".join(f"{one.title}: {one.message}"[:300] for one in error.exceptions)
            wrong.append(f"{case.method} {case.formatted_path} {str(case.body)[:200]} → {said}")

    try:
        ask()
    except schemathesis.errors.InvalidSchema as error:
        wrong.append(f"{operation.label}: {error}")
    except Exception as error:  # noqa: BLE001 - hypothesis: nothing unfitting can be made of it
        if "Unsatisfiable" not in type(error).__name__:
            wrong.append(f"{operation.label} {mode}: {type(error).__name__}: {error}"[:400])
    return next(numbers)
