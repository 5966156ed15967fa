"""The ARC validation suite (ValiMail), all of it."""

from typing import Any

import pytest

from postroom_smtp.dkimpy_signatures import check_arc
from support.arc_suite import SUITE, cases

DIFFERS: dict[str, str] = {}
"""Cases whose result is another than the suite's, and why."""
pytestmark = pytest.mark.skipif(not SUITE.exists(), reason="needs ../shared/corpora/auth-arc")


@pytest.mark.parametrize(("keys", "case"), cases())
def test_the_suite(keys: dict[str, bytes], case: dict[str, Any], request: Any) -> None:
    raw = (case["message"] or "").encode().replace(b"\r\n", b"\n").replace(b"\n", b"\r\n")
    expected = (case["cv"] or "").strip().lower() or "fail"
    result = check_arc(raw, keys)
    assert (result == expected) is (request.node.callspec.id not in DIFFERS), result


def test_the_suite_is_all_there() -> None:
    assert len(cases()) == 171
    assert len(DIFFERS) <= 5
