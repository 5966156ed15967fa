"""What the handlers need from outside."""

from typing import Protocol, TypeVar

from postroom_api.domain.discovery import SrvRecord
from postroom_api.domain.mailbox_settings import UnderWay
from postroom_api.domain.values import Principal
from postroom_contract.forum import Problem, Request

A = TypeVar("A")


class StaleError(ValueError):
    """What was to be changed was changed by somebody else since it was read."""


class NulError(ValueError):
    """A text holds a NUL, which the database keeps in none."""


class TakenError(ValueError):
    """The address or domain belongs to something, or somebody, else."""


class LinkUsedError(ValueError):
    """The connect link was used before, or is too old."""


class ServiceProblemError(Exception):
    """Another service understood and said no."""

    def __init__(self, problem: Problem) -> None:
        super().__init__(problem.detail)
        self.problem = problem


class Services(Protocol):
    """The other services."""

    async def ask(self, request: Request[A]) -> A:
        """Return the answer; ServiceProblemError for a no, UnavailableError without an answer."""


class PatientServices(Protocol):
    """The other services, for questions that take their time."""

    async def ask_patiently(self, request: Request[A], seconds: float) -> A:
        """As `ask`, waiting so long for the answer."""


class ForumConfiguration(Protocol):
    """The configuration that belongs to a forum (each step may be repeated)."""

    async def begin_forum(self, who: Principal, forum: str, name: str, address: str) -> str:
        """Reserve the address; return the id of the forum that is being made for it."""

    async def attach_forum(self, account: str, forum: str, name: str, address: str) -> None:
        """Give the forum its domain, mailbox, address and rule."""

    async def open_forum(self, account: str, forum: str) -> None:
        """Note that the forum is open."""

    async def abandon_forum(self, account: str, forum: str) -> None:
        """Forget a forum that was never opened."""


class Records(Protocol):
    """DNS, as far as we ask it."""

    async def srv(self, name: str, seconds: float) -> list[SrvRecord]:
        """Return the SRV records of a name; none when there are none, or no answer in time."""


class Checks(Protocol):
    """What is told of checks while they go on."""

    def under_way(self, account: str, mailbox: str) -> UnderWay | None:
        """Return what was last told of a mailbox's check, if that was a moment ago."""


class Publisher(Protocol):
    """The way of configuration to the services."""

    async def settled(self, seconds: float) -> bool:
        """Wait until all that was committed is published."""


class Removals(Protocol):
    """The removal of accounts, in the background."""

    def wake(self) -> None:
        """Look now: an account was closed."""
