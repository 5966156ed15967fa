"""Teaching the spam filter: from a command to a message in TRAIN.

Law: TRAIN holds one message for each mail, the latest by the time it was taught; the tokens in it
are those of the first, so that what is forgotten is what was learnt.
"""

from postroom_contract import subjects
from postroom_contract.codec import ENVELOPE_HEADER, decode, encode, envelope_from_header
from postroom_contract.commands import TrainMail
from postroom_contract.training import Training
from postroom_rules.domain.spam_tokens import VERSION
from postroom_rules.domain.taught import packed
from postroom_rules.ports import ReadMail
from postroom_runtime.bus import Bus
from postroom_runtime.errors import RefusedError, UnavailableError
from postroom_runtime.messages import EXPECT_SUBJECT_SEQUENCE, ConflictError, Found, Publication


class Teaching:
    """Handles `rules.train`."""

    def __init__(self, bus: Bus, read: ReadMail) -> None:
        self._bus = bus
        self._read = read

    async def teach(self, command: TrainMail) -> None:
        """Keep what is taught of a mail; RefusedError when the mail is no longer there."""
        subject = subjects.train(command.account, command.mail.id)
        found = await self._bus.last("TRAIN", subject)
        before = decode(found.data, Training) if found else None
        if before is not None and before.at > command.at:
            return
        if before is not None and before.form == VERSION:
            tokens = before.tokens
        elif command.spam is None:
            return
        else:
            tokens = await self._tokens(command)
        training = Training(
            account=command.account,
            mail=command.mail.id,
            spam=command.spam,
            tokens=tokens,
            form=VERSION,
            by=command.by,
            at=command.at,
        )
        await self._keep(subject, training, found, command.id)

    async def _keep(
        self, subject: str, training: Training, before: Found | None, name: str
    ) -> None:
        expected = {EXPECT_SUBJECT_SEQUENCE: str(before.sequence if before else 0)}
        try:
            await self._bus.publish(Publication(subject, encode(training), name, expected))
        except ConflictError as error:
            raise UnavailableError("the mail is being taught by another command") from error

    async def _tokens(self, command: TrainMail) -> bytes:
        """Return what the filter sees of the mail, from its raw bytes."""
        raw = await self._bus.get(command.mail.raw)
        if raw is None or envelope_from_header(raw.headers[ENVELOPE_HEADER]).id != command.mail.id:
            raise RefusedError("the raw mail is no longer there: the filter cannot learn it")
        return packed((await self._read(raw.data, command.charset, tokens=True)).tokens)
