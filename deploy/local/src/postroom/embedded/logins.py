"""The database and who may do what in it.

Five logins beside the superuser, whom no service ever meets: `owner` migrates, `app` serves
requests under row level security, `worker` passes it by, `forum` and `fetch` own the schema of
their name and nothing else.
"""

from collections.abc import Mapping
from typing import Final

import asyncpg

DATABASE: Final = "postroom"
OWNER: Final = "postroom_owner"
APP: Final = "postroom_app"
WORKER: Final = "postroom_worker"
FORUM: Final = "postroom_forum"
FETCH: Final = "postroom_fetch"
LOGINS: Final = (OWNER, APP, WORKER, FORUM, FETCH)
CONFIG_SCHEMA: Final = "config"
FORUM_SCHEMA: Final = "forum"
FETCH_SCHEMA: Final = "fetch"


async def ensure_logins(superuser: asyncpg.Connection, passwords: Mapping[str, str]) -> None:
    """Make the logins, or give them the passwords of now. Idempotent; any database will do."""
    for login in LOGINS:
        known = await superuser.fetchval("SELECT 1 FROM pg_roles WHERE rolname = $1", login)
        bypass = "BYPASSRLS" if login == WORKER else "NOBYPASSRLS"
        verb = "ALTER" if known else "CREATE"
        # DDL takes no parameters: the server quotes the statement for us.
        statement = await superuser.fetchval(
            f"SELECT format('{verb} ROLE %I LOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE {bypass} "
            "PASSWORD %L', $1::text, $2::text)",
            login,
            passwords[login],
        )
        await superuser.execute(statement)


async def ensure_database(superuser: asyncpg.Connection, name: str = DATABASE) -> None:
    """Make the empty database `name` for our logins alone; leave it be when it exists."""
    if await superuser.fetchval("SELECT 1 FROM pg_database WHERE datname = $1", name):
        return
    await superuser.execute(f'CREATE DATABASE "{name}" OWNER {OWNER}')


async def ensure_grants(inside: asyncpg.Connection) -> None:
    """Who may connect and who owns which schema; `inside` is the superuser in that database."""
    name = await inside.fetchval("SELECT current_database()")
    await inside.execute(
        f'REVOKE ALL ON DATABASE "{name}" FROM PUBLIC;'
        f'GRANT CONNECT ON DATABASE "{name}" TO {", ".join(LOGINS)};'
        "REVOKE ALL ON SCHEMA public FROM PUBLIC;"
        f"GRANT USAGE ON SCHEMA public TO {OWNER}, {APP}, {WORKER};"
        f"CREATE SCHEMA IF NOT EXISTS {FORUM_SCHEMA} AUTHORIZATION {FORUM};"
        f"ALTER ROLE {FORUM} SET search_path = {FORUM_SCHEMA};"
        # The quotes are needed: FETCH is a reserved word.
        f'CREATE SCHEMA IF NOT EXISTS "{FETCH_SCHEMA}" AUTHORIZATION {FETCH};'
        f'ALTER ROLE {FETCH} SET search_path = "{FETCH_SCHEMA}";'
    )
