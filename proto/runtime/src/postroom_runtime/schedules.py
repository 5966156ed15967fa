"""Messages that the broker publishes later: retries, expiries. Time is the broker's."""

from datetime import date, datetime

from postroom_contract import subjects
from postroom_contract.codec import encode
from postroom_contract.work import PollJob
from postroom_runtime.messages import Publication


def at(when: datetime, schedule_subject: str, target: Publication) -> Publication:
    """Return the publication that makes the broker publish `target` at `when` (UTC).

    Both subjects belong to one stream with schedules; the target's own id cannot travel with it,
    so the target's subject carries it.
    """
    stamp = when.isoformat(timespec="milliseconds").replace("+00:00", "Z")
    return Publication(
        schedule_subject,
        target.payload,
        None,
        {"Nats-Schedule": f"@at {stamp}", "Nats-Schedule-Target": target.subject},
    )


def poll_now(account: str, mailbox: str, since: date | None = None) -> Publication:
    """Return the job "receive now"; it takes the place of the mailbox's schedule.

    `since`: what came from this day on is fetched again where it is not here.

    To be published with `first=True`: ConflictError says that a check is under way already.
    """
    return Publication(
        subjects.work_poll(account, mailbox),
        encode(PollJob(reason="asked", since=since)),
        None,
        {
            "Nats-Scheduler": subjects.work_schedule(account, mailbox),
            "Nats-Schedule-Next": "purge",
        },
    )
