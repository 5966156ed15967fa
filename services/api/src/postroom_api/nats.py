"""Other services over the broker's request and reply."""

from typing import Final, TypeVar

from postroom_api.ports import ServiceProblemError
from postroom_contract import subjects
from postroom_contract.codec import decode
from postroom_contract.forum import Problem, Request
from postroom_runtime.bus import Bus
from postroom_runtime.errors import UnavailableError
from postroom_runtime.messages import AnsweredError

A = TypeVar("A")
ANSWER_SECONDS: Final = 4.0


class NatsServices:
    """Asks the service that a request names."""

    def __init__(self, bus: Bus) -> None:
        self._bus = bus

    async def ask(self, request: Request[A]) -> A:
        """Return the answer; ServiceProblemError for a no, UnavailableError without an answer."""
        return await self.ask_patiently(request, ANSWER_SECONDS)

    async def ask_patiently(self, request: Request[A], seconds: float) -> A:
        """As `ask`, waiting so long for the answer."""
        subject = subjects.rpc(request.service, request.verb)
        try:
            answer: A = await self._bus.request(subject, request, request.answer, seconds)
        except AnsweredError as error:
            problem = decode(error.payload, Problem)
            if problem.code == "unavailable":
                raise UnavailableError(problem.detail) from error
            raise ServiceProblemError(problem) from error
        return answer
