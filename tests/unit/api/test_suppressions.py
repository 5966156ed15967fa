"""Which failures speak against an address."""

import pytest

from postroom_api.domain.suppressions import weight


@pytest.mark.parametrize(
    ("status", "weighs"),
    [
        ("5.1.1", "at_once"), ("5.1.2", "at_once"), ("5.1.10", "at_once"), ("5.4.4", "at_once"),
        ("5.0.0", "counts"), ("5.1.0", "counts"), ("5.2.1", "counts"), ("5.2.2", "counts"),
        ("5.4.1", "counts"),
        # Of the sender, the server, the talk, the content, the policy.
        ("5.1.7", "nothing"), ("5.1.8", "nothing"), ("5.3.4", "nothing"), ("5.5.0", "nothing"),
        ("5.6.0", "nothing"), ("5.7.1", "nothing"),
        ("4.1.1", "nothing"), ("4.4.7", "nothing"), ("2.0.0", "nothing"), ("", "nothing"),
    ],
)  # fmt: skip
def test_weight(status: str, weighs: str) -> None:
    assert weight(status) == weighs
