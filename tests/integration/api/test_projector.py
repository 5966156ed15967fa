"""The message log: what cannot be written is passed over, and blocks nothing."""

import asyncio

import msgspec

from postroom_api.postgres.access import Access
from postroom_api.postgres.log import Log
from postroom_api.postgres.people import DEFAULT_ACCOUNT, People
from postroom_api.postgres.worker import Worker
from postroom_api.projector import Projector
from postroom_contract import schema
from postroom_contract.codec import decode, encode
from postroom_contract.events import MailSorted, subject_of
from postroom_runtime.clock import Clock
from postroom_runtime.messages import Publication
from postroom_runtime.postgres import Database
from support.buses import connected
from support.servers import Database as Made
from support.servers import Nats
from support.waiting import eventually

SAMPLE = decode(
    (schema.DIRECTORY.parent / "samples" / "event.mail.sorted.v1.json").read_bytes(), MailSorted
)


def mail(name: str, rating: int | None = None) -> MailSorted:
    decision = msgspec.structs.replace(SAMPLE.decision, spam_rating=rating)
    return msgspec.structs.replace(
        SAMPLE, id=f"evt_{name}", about=f"msg_{name}", account=DEFAULT_ACCOUNT, decision=decision
    )


async def test_one_event_that_cannot_be_written_stops_neither_the_log_nor_the_rest(
    database: Made, nats_server: Nats
) -> None:
    app, worker = Database(database.app_url, "app"), Database(database.worker_url, "worker")
    people = People(Access(app))
    await people.bootstrap("admin@example.org", "correct horse", "prt_t")
    who = await people.by_token("prt_t", Clock().now())
    assert who is not None
    async with connected(nats_server, "operator") as operator, connected(nats_server, "api") as api:
        too_large = mail("poison", 1 << 40)  # no integer column takes it
        # A NUL, and somebody's backslash before `u0000`: both are subjects that mails can have.
        odd = 'a\x00b \\u0000" \\\\u0000'
        summary = msgspec.structs.replace(SAMPLE.summary, subject=odd)
        after = msgspec.structs.replace(mail("after", 7), summary=summary)
        for event in (mail("before"), too_large, after):
            await operator.publish(Publication(subject_of(event), encode(event), event.id))
        for subject in ("postroom.v1.event.a.m.new.kind.x", "postroom.v1.dead.a.rules"):
            await operator.publish(Publication(subject, b'{"type": "of the future"}', None))
        projector = Projector(Worker(worker), api)
        task = asyncio.create_task(projector.run())
        try:

            async def shown() -> bool:
                found = await Log(Access(app)).messages(who, None, 50)
                return {row.id for row in found.data} == {"msg_before", "msg_after"}

            await eventually(shown)
            written = await Log(Access(app)).message(who, "msg_after")
            assert written is not None
            assert written.event.summary.subject == odd.replace("\x00", "")
            await operator.publish(
                Publication(subject_of(mail("later")), encode(mail("later")), "evt_later")
            )

            async def later() -> bool:
                return await Log(Access(app)).message(who, "msg_later") is not None

            await eventually(later)
            assert not task.done()
            assert projector.trouble is None
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
            await app.close()
            await worker.close()
