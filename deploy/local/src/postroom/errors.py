"""Errors whose cause is outside this program and whose cure the operator can be told."""


class OperatorError(Exception):
    """Something the operator can put right; `next_step` says how. Trying again first is useless."""

    def __init__(self, message: str, next_step: str) -> None:
        super().__init__(message)
        self.message = message
        self.next_step = next_step
