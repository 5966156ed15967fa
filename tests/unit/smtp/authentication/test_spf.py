"""The test suite of RFC 7208 (openspf.org, release 2014.04), all of it, on our DNS port."""

from typing import Any

import pytest
import yaml

from postroom_smtp.spftrace_senders import SpfSenders
from support.corpora import SHARED
from support.names import TIMEOUT, KnownNames

SUITE = SHARED / "auth-spf" / "rfc7208-tests.yml"
DIFFERS: dict[str, str] = {}
"""Cases whose result is another than the suite's, and why."""
pytestmark = pytest.mark.skipif(not SUITE.exists(), reason="needs ../shared/corpora/auth-spf")


def _values(kind: str, value: Any) -> list[tuple[str, Any]]:
    if kind == "SPF":  # the suite's records are published as both kinds (its own words)
        return [("TXT", value)]
    return [(kind, tuple(value) if kind == "MX" else value)]


def _zone(data: dict[str, Any]) -> dict[str, Any]:
    zone: dict[str, Any] = {}
    for name, records in data.items():
        kinds = {key for one in records if isinstance(one, dict) for key in one}
        found: list[Any] = []
        for one in records:
            if one == TIMEOUT:
                found.append(TIMEOUT)
                continue
            for kind, value in one.items():
                if kind == "SPF" and "TXT" in kinds:
                    continue
                if value == "NONE":
                    continue
                found.extend(_values(kind, value))
        zone[str(name)] = found
    return zone


def cases() -> list[Any]:
    if not SUITE.exists():
        return []
    found = []
    for scenario in yaml.safe_load_all(SUITE.read_text()):
        zone = _zone(scenario["zonedata"])
        found += [pytest.param(zone, case, id=name) for name, case in scenario["tests"].items()]
    return found


@pytest.mark.parametrize(("zone", "case"), cases())
async def test_the_suite(zone: dict[str, Any], case: dict[str, Any], request: Any) -> None:
    name = request.node.callspec.id
    senders = SpfSenders(KnownNames(zone), "receiver.example", 5.0)
    result = await senders.spf(case["host"], case.get("mailfrom") or "", case["helo"])
    expected = case["result"] if isinstance(case["result"], list) else [case["result"]]
    assert (result in expected) is (name not in DIFFERS)


def test_the_suite_is_all_there() -> None:
    assert len(cases()) == 203
    assert len(DIFFERS) <= 5
