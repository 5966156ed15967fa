"""Real mail of our own corpus, with the result that is expected."""

import json
from pathlib import Path

import pytest

from postroom_mail.read import read

ROOT = Path(__file__).parents[3]
OURS = ROOT / "tests" / "corpus"
EXPECTED = json.loads((OURS / "expected.json").read_text())


@pytest.mark.parametrize("name", EXPECTED)
def test_expected(name: str) -> None:
    mail = read((OURS / name).read_bytes())
    expected = EXPECTED[name]
    assert mail.subject == expected["subject"]
    assert [box.address for box in mail.from_] == expected["from"]
    assert (mail.date.isoformat() if mail.date else None) == expected["date"]
    assert mail.text_source == expected["text_source"]
    assert expected["text_has"] in mail.text
    assert [[a.name, a.media_type, a.size] for a in mail.attachments] == expected["attachments"]
    assert [defect.split(" (")[0] for defect in mail.defects] == expected["defects"]


def test_every_file_has_an_expectation() -> None:
    assert sorted(str(p.relative_to(OURS)) for p in OURS.glob("mime-*/*")) == sorted(EXPECTED)
