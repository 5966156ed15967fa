"""The ARC validation suite (ValiMail), all of it."""

from typing import Any

import pytest
import yaml

from postroom_smtp.dkimpy_signatures import check_arc
from support.corpora import SHARED

SUITE = SHARED / "auth-arc" / "arc-draft-validation-tests.yml"
DIFFERS: dict[str, str] = {}
"""Cases whose result is another than the suite's, and why."""
pytestmark = pytest.mark.skipif(not SUITE.exists(), reason="needs ../shared/corpora/auth-arc")


def cases() -> list[Any]:
    if not SUITE.exists():
        return []
    found = []
    for scenario in yaml.safe_load_all(SUITE.read_text()):
        keys = {
            name.lower().rstrip("."): "".join(str(text).split("\n")).encode()
            for name, text in (scenario.get("txt-records") or {}).items()
        }
        for name, case in scenario["tests"].items():
            found.append(pytest.param(keys, case, id=name))
    return found


@pytest.mark.parametrize(("keys", "case"), cases())
def test_the_suite(keys: dict[str, bytes], case: dict[str, Any], request: Any) -> None:
    raw = (case["message"] or "").encode().replace(b"\r\n", b"\n").replace(b"\n", b"\r\n")
    expected = (case["cv"] or "").strip().lower() or "fail"
    result = check_arc(raw, keys)
    assert (result == expected) is (request.node.callspec.id not in DIFFERS), result


def test_the_suite_is_all_there() -> None:
    assert len(cases()) == 171
    assert len(DIFFERS) <= 5
