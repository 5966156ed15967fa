"""Mailboxes by the ten thousand, straight by SQL: for the bench and for plans."""

from typing import Any

NAMES = [
    "anna",
    "ben",
    "clara",
    "david",
    "emma",
    "felix",
    "greta",
    "hugo",
    "ida",
    "jonas",
    "karla",
    "leo",
    "mia",
    "noah",
    "olga",
    "paul",
]
FAMILIES = [
    "berg",
    "cole",
    "dietz",
    "engel",
    "fuchs",
    "graf",
    "hahn",
    "iwanow",
    "jung",
    "krause",
    "lang",
    "moser",
    "neumann",
]
PROVIDERS = ["example.com", "example.net", "mail.example.org", "post.example.eu", "web.example.de"]
BIG = "acc_0"

_FILL = """
INSERT INTO config.mailbox (id, account, name, kind, source, owner, active, login, host, port,
    sealed_password, interval_minutes)
SELECT 'mbx_' || lpad(n::text, 26, '0'), $1,
    initcap(first) || ' ' || initcap(family) || ' ' || n,
    CASE WHEN n % 5 = 0 THEN 'system' ELSE 'user' END, CASE WHEN n % 9 = 0 THEN 'pop3' WHEN n % 10 = 0 THEN 'smtp' ELSE 'imap' END,
    CASE WHEN n % 5 = 0 THEN NULL ELSE 'usr_' || $1 || '_' || n % $7 END, n % 23 <> 0,
    first || '.' || family || n || '@' || provider, 'imap.' || provider, 993, 'x', 5
FROM generate_series($2::int, $3::int) n,
LATERAL (SELECT ($4::text[])[1 + n % cardinality($4::text[])] AS first,
    ($5::text[])[1 + n / 3 % cardinality($5::text[])] AS family,
    ($6::text[])[1 + n / 7 % cardinality($6::text[])] AS provider) of
"""
_ADDRESSES = """
INSERT INTO config.address (address, account, mailbox, domain)
SELECT 'box.' || right(id, 6) || '@' || $1 || '.example', $1, id, $1 || '.example'
FROM config.mailbox WHERE account = $1 AND source = 'smtp'
"""
_CHECKS = """
INSERT INTO config.mailbox_check (mailbox, account, state, checked_at, found, stored, skipped)
SELECT id, account, (ARRAY['idle', 'idle', 'idle', 'unreachable', 'auth_failed'])[
    1 + hashtext(id) % 5 * sign(hashtext(id) % 5)::int], now() - random() * interval '1 day', 0, 0, '[]'
FROM config.mailbox WHERE account = $1 AND hashtext(id) % 10 <> 0
"""
_MAIL = """
INSERT INTO config.message (id, account, mailbox, received_at, recipient, envelope_sender, from_name,
    from_address, subject, size, importance, stream, sequence, event, read)
SELECT 'msg_' || $1 || '_' || n, $1, m.id, now(), '', '', '', '', '', 1000 + n, 'normal', 'INTAKE_0', n,
    '{}', n % 2 = 0
FROM (SELECT id, row_number() OVER (ORDER BY hashtext(id)) AS n FROM config.mailbox
    WHERE account = $1) m WHERE m.n % 4 = 0
"""


async def fill(worker: Any, owner: Any, mailboxes: int, accounts: int) -> None:
    """Fill that many mailboxes into accounts `acc_0`…; the first has half of them.

    `worker` is a connection of the login that bypasses row level security, `owner` one of the
    login whose tables they are: it has them analysed.
    """
    rest = mailboxes // 2 // (accounts - 1)
    first = 1
    for number in range(accounts):
        account, count = f"acc_{number}", mailboxes // 2 if number == 0 else rest
        people = max(1, count // 4)
        await worker.execute("INSERT INTO config.account (id, name) VALUES ($1, $1)", account)
        await worker.execute(
            "INSERT INTO config.person (id, account, email, name, role, password_hash)"
            " SELECT 'usr_' || $1 || '_' || n, $1, n || '@' || $1 || '.example', 'Person ' || n,"
            " 'user', 'x' FROM generate_series(0, $2::int) n",
            account, people,
        )  # fmt: skip
        last = first + count - 1
        await worker.execute(_FILL, account, first, last, NAMES, FAMILIES, PROVIDERS, people)
        await worker.execute(
            "INSERT INTO config.domain (domain, account) VALUES ($1 || '.example', $1)", account
        )
        await worker.execute(_ADDRESSES, account)
        await worker.execute(_CHECKS, account)
        await worker.execute(_MAIL, account)
        first = last + 1
    await owner.execute("ANALYZE")
