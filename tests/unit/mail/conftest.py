"""Property tests are derandomised: the same seed tries the same cases."""

import hypothesis
import pytest

from support.chance import SEED, say_seed


@pytest.fixture
def seed() -> int:
    return SEED


@pytest.fixture(autouse=True)
def _say_seed() -> None:
    """Shown with every failure."""
    say_seed()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Seed each property test; profiles are per process, other folders keep theirs."""
    for item in items:
        function = getattr(item, "obj", None)
        ours = "unit/mail" in item.path.as_posix()
        if ours and callable(function) and getattr(function, "is_hypothesis_test", False):
            hypothesis.seed(SEED)(function)
            hypothesis.settings(deadline=None, database=None, max_examples=150)(function)
