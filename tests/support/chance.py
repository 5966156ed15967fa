"""Chance in tests: from POSTROOM_SEED, printed so that a failure can be had again."""

import os
import random

SEED = int(os.environ.get("POSTROOM_SEED", "2"))


def say_seed() -> None:
    """Pytest shows it with a failure."""
    print(f"POSTROOM_SEED={SEED}")


def chance(*about: object) -> random.Random:
    """Return the chance of one test; `about` tells its cases apart."""
    say_seed()
    return random.Random(" ".join(map(str, (SEED, *about))))
