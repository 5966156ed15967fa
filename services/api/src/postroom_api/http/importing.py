"""Mail that somebody has as files, for one mailbox."""

from typing import Annotated

import msgspec

from postroom_api.domain.values import Principal
from postroom_api.http.office import Office
from postroom_api.http.problems import ProblemError
from postroom_api.ports import PatientServices, ServiceProblemError
from postroom_api.postgres.audit import Acts
from postroom_contract.importing import MOST_BYTES, MOST_MAILS, Outcome, TakeMails

SECONDS = 30.0


class ImportedMail(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One mail as it is in a file (RFC 5322), in base64."""

    raw: bytes


class Import(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Some mails. At most 25 MiB together, before base64."""

    messages: Annotated[list[ImportedMail], msgspec.Meta(min_length=1, max_length=MOST_MAILS)]
    aloud: bool = False
    """Members and senders are told of them as of new mail: forums send copies."""


class Imported(msgspec.Struct, frozen=True, kw_only=True):
    """What became of them; outcomes in the order they were given."""

    stored: int
    known: int
    skipped: int
    outcomes: list[Outcome]


class Importing:
    """Hands them to a fetcher."""

    def __init__(self, services: PatientServices, office: Office, acts: Acts) -> None:
        self._services = services
        self._office = office
        self._acts = acts

    async def take(self, who: Principal, mailbox: str, wanted: Import) -> Imported:
        """Store them; 403 for who may not change the mailbox, 413 for too much at once."""
        box = await self._office.changeable(who, mailbox)
        mails = tuple(one.raw for one in wanted.messages)
        if sum(map(len, mails)) > MOST_BYTES:
            words = f"At most {MOST_BYTES // 2**20} MiB of mail at once: send less in a request."
            raise ProblemError(413, "too_large", words)
        question = TakeMails(account=who.account, mailbox=box.id, mails=mails, aloud=wanted.aloud)
        try:
            taken = await self._services.ask_patiently(question, SECONDS)
        except ServiceProblemError as error:
            raise ProblemError(409, "conflict", error.problem.detail) from error
        counts = {
            state: sum(one.state == state for one in taken.outcomes)
            for state in ("stored", "known", "skipped")
        }
        if counts["stored"]:
            await self._acts.note(who, "mailbox.imported", box.id, **counts, aloud=wanted.aloud)
        return Imported(**counts, outcomes=list(taken.outcomes))
