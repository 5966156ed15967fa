"""The corpora beside the repository (../shared/corpora), where they are."""

import os
import random
from pathlib import Path

import pytest

SHARED = Path(__file__).parents[3] / "shared" / "corpora"
MIME_SETS = ("mime-cpython", "mime-enmime", "mime-mime4j", "mime-ruby-mail")
_RESULTS = {".xml", ".out", ".golden", ".md"}
"""What the sets expect, beside their mails."""

needs_corpora = pytest.mark.skipif(not SHARED.is_dir(), reason=f"no corpora at {SHARED}")


def spam_and_ham() -> list[Path]:
    """Every mail of the SpamAssassin public corpus."""
    return sorted((SHARED / "spamassassin-public").glob("**/*.txt"))


def mime_sets() -> list[Path]:
    """Every mail of the test sets of MIME libraries."""
    found = (p for name in MIME_SETS for p in sorted((SHARED / name).glob("**/*")) if p.is_file())
    return [p for p in found if p.suffix not in _RESULTS and "_decoded" not in p.name]


def soaking(name: str) -> bool:
    """Whether `make soak NAME=<name>` runs this."""
    return os.environ.get("POSTROOM_SOAK") == name


def sample(paths: list[Path], size: int, seed: int, soak: str) -> list[Path]:
    """Return so many of them by chance, all of them in `make soak NAME=<soak>`."""
    return paths if soaking(soak) else random.Random(seed).sample(paths, min(size, len(paths)))
