"""The ARC validation suite of ValiMail, where the corpora are."""

from typing import Any

import pytest
import yaml

from support.corpora import SHARED

SUITE = SHARED / "auth-arc" / "arc-draft-validation-tests.yml"


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
