"""Messages by the hundred thousand, straight by SQL: for the bench and for plans.

Words are drawn so that a few are in most mails and most in few, as in any language.
"""

import json
from datetime import UTC, datetime, timedelta
from itertools import accumulate
from random import Random
from typing import Any

BIG = "acc_0"
_LETTERS = str.maketrans("0123456789", "abeilnorst")
# `00017` would be no word of a language, `aaabo…` is as good as one.
VOCABULARY = [f"{n:05}{n * 7919 % 1000:03}".translate(_LETTERS) for n in range(3_000)]
_ACCOUNT = "INSERT INTO config.account (id, name) VALUES ($1, $1) ON CONFLICT DO NOTHING"
_BOXES = """
INSERT INTO config.mailbox (id, account, name, kind, source, active)
SELECT 'mbx_' || $1 || '_' || n, $1, 'Box ' || n, 'system', 'smtp', true
FROM generate_series(0, $2::int - 1) n
"""
_COLUMNS = (
    "id", "account", "mailbox", "received_at", "recipient", "envelope_sender", "from_name",
    "from_address", "subject", "size", "importance", "spam_rating", "spam", "tags", "read",
    "deleted_at", "quarantined_until", "stream", "sequence", "event",
)  # fmt: skip
_HOSTS = ("example.com", "example.net", "mail.example.org", "post.example.eu")
_LATEST = datetime(2026, 11, 1, tzinfo=UTC)
_FREQUENCIES = list(accumulate(1 / (rank + 10) for rank in range(len(VOCABULARY))))


def _row(chance: Random, account: str, boxes: int, n: int) -> tuple[Any, ...]:
    """One message; the smaller `n`, the later it came."""
    words = chance.choices(VOCABULARY, cum_weights=_FREQUENCIES, k=32 + n % 7)
    sender, family, host = VOCABULARY[n % 997], VOCABULARY[n // 7 % 499], _HOSTS[n % 4]
    address, at = f"{sender}.{family}@{host}", _LATEST - n * timedelta(seconds=40)
    return (
        f"msg_{account}_{n:012}", account, f"mbx_{account}_{n * 7 % boxes}", at,
        f"box{n * 7 % boxes}@{account}.example", address,
        f"{sender.title()} {family.title()}", address, " ".join(words[: 5 + n % 3]),
        1_000 + n % 50_000,
        "high" if n % 41 == 0 else "low" if n % 17 == 0 else "normal",
        n * 31 % 101 if n % 3 else None, True if n % 29 == 0 else None,
        ["rare"] if n % 1_009 == 0 else ["loud", "desk"] if n % 11 == 0 else [],
        n % 4 != 0, at if n % 53 == 0 else None, at if n % 59 == 0 else None, "INTAKE_0", n,
        json.dumps({"summary": {"preview": " ".join(words[8:])}}),
    )  # fmt: skip


async def fill(worker: Any, owner: Any, messages: int, accounts: int) -> None:
    """Fill that many messages into accounts `acc_0`…; the first has half of them, in 20 mailboxes.

    `worker` is a connection of the login that bypasses row level security, `owner` one of the
    login whose tables they are: it has them analysed.
    """
    chance = Random(1)
    for number in range(accounts):
        account = f"acc_{number}"
        boxes = 20 if number == 0 else 3
        share = messages // 2 if number == 0 else messages // 2 // (accounts - 1)
        await worker.execute(_ACCOUNT, account)
        await worker.execute(_BOXES, account, boxes)
        for first in range(0, share, 20_000):
            rows = [
                _row(chance, account, boxes, n) for n in range(first, min(first + 20_000, share))
            ]
            await worker.copy_records_to_table(
                "message", schema_name="config", columns=_COLUMNS, records=rows
            )
    await owner.execute("VACUUM (ANALYZE) config.message")
