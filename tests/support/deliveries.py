"""What forums ask of smtp, and what is to be seen afterwards."""

from postroom_contract import subjects
from postroom_contract.codec import decode, encode
from postroom_contract.commands import (
    DeliverChunk,
    OutboxMail,
    Progress,
    Recipient,
    Template,
    subject_of,
)
from postroom_contract.events import DeliveryReported
from postroom_contract.mail import Pointer
from postroom_contract.streams import SMTP_COMMANDS
from postroom_runtime.messages import Publication
from support.buses import connected, worked_off
from support.smtp_process import looking
from support.waiting import eventually

OUT = "out_1"


def recipient(serial):
    address = f"m{serial}@theirs.example"
    sender = f"garden+b{serial}@ours.example"
    return Recipient(serial=serial, address=address, sender=sender, places={"to": address})


def chunk(*serials, id_="1"):
    return DeliverChunk(
        id=f"cmd_{id_}",
        account="acc_one",
        correlation="msg_1",
        causation="evt_1",
        chunk=f"chk_{id_}",
        scope="frm_garden",
        origin="pst_1",
        outbox=OUT,
        domain="theirs.example",
        attempt=1,
        recipients=tuple(map(recipient, serials)),
    )


MAIL = OutboxMail(
    id=OUT,
    account="acc_one",
    scope="frm_garden",
    origin="pst_1",
    message_id="1@ours.example",
    subject="Roses",
    template=Template((b"To: ", b"\r\nSubject: Roses\r\n\r\n.hi\r\n..\r\n"), ("to",)),
)


class World:
    """What forum-bridge asks and what is to be seen afterwards."""

    def __init__(self, nats):
        self.nats = nats

    async def ask(self, command, *, with_mail=True):
        async with connected(self.nats, "forum-bridge") as bus:
            if with_mail:
                where = subjects.outbox("acc_one", OUT)
                await bus.publish(Publication(where, encode(MAIL), f"{OUT}-{command.id}"))
            await bus.publish(Publication(subject_of(command), encode(command), command.id))

    async def reports(self, name="chk_1"):
        """Every report on a chunk, in order."""
        wanted = subjects.event("acc_one", "frm_garden", "delivery.reported", name)
        found = []
        async with looking(self.nats) as bus:
            last = (await bus.stream_info("EVENTS"))["state"]["last_seq"]
            for sequence in range(1, last + 1):
                one = await bus.get(Pointer("EVENTS", sequence))
                if one is not None and one.subject == wanted:
                    found.append(decode(one.data, DeliveryReported))
        return found

    async def wait_for_reports(self, number, name="chk_1"):
        async def asked():
            found = await self.reports(name)
            return found if len(found) >= number else None

        return await eventually(asked, what=f"{number} reports")

    async def progress(self, name="chk_1"):
        async with looking(self.nats) as bus:
            found = await bus.last("PROGRESS", subjects.progress(name))
        return decode(found.data, Progress).done if found else {}

    async def all_acknowledged(self):
        async def asked():
            async with looking(self.nats) as bus:
                return await worked_off(bus, SMTP_COMMANDS)

        await eventually(asked, what="every command is acknowledged")


def states(report):
    return {r.serial: r.state for r in report.results}
