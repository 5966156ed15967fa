"""The pool: a frozen database is an answer, not a hang; migrations run once."""

import asyncio
import time
from pathlib import Path

import asyncpg
import pytest

from postroom_runtime.errors import OperatorError, UnavailableError
from postroom_runtime.postgres import Database, migrate, up_to_date
from support.backends import Backend
from support.servers import Database as MadeDatabase


async def test_a_frozen_database_is_unavailable_in_time_and_comes_back(
    tmp_path: Path, backend: Backend
) -> None:
    server = backend.postgres(tmp_path)
    await asyncio.to_thread(server.start)
    try:
        made = await server.create_database()
        database = Database(made.app_url, "app")
        async with database.transaction() as connection:
            assert await connection.fetchval("SELECT 1") == 1
        server.process.sigstop()
        try:
            for _ in range(3):
                began = time.monotonic()
                with pytest.raises(UnavailableError):
                    async with database.transaction() as connection:
                        await connection.fetchval("SELECT 1")
                assert time.monotonic() - began < 6
            assert database.trouble is not None
        finally:
            server.process.sigcont()
        async with asyncio.timeout(5):
            async with database.transaction() as connection:
                assert await connection.fetchval("SELECT 1") == 1
        assert database.trouble is None
        await database.close()
    finally:
        await asyncio.to_thread(server.stop)


async def test_the_bodys_own_error_rolls_back(empty_database: MadeDatabase) -> None:
    database = Database(empty_database.owner_url, "owner")
    async with database.transaction() as connection:
        await connection.execute("CREATE TABLE public.t (id int PRIMARY KEY)")
    with pytest.raises(ValueError, match="mine"):
        async with database.transaction() as connection:
            await connection.execute("INSERT INTO public.t VALUES (1)")
            raise ValueError("mine")
    async with database.transaction() as connection:
        assert await connection.fetchval("SELECT count(*) FROM public.t") == 0
    await database.close()


async def test_of_two_that_wait_for_each_other_one_may_try_again(
    empty_database: MadeDatabase,
) -> None:
    database = Database(empty_database.owner_url, "owner")
    async with database.transaction() as connection:
        await connection.execute("CREATE TABLE public.t AS SELECT n FROM generate_series(1, 2) n")
    both = asyncio.Barrier(2)

    async def change(first: int, then: int) -> None:
        async with database.transaction() as connection:
            await connection.execute("UPDATE public.t SET n = n WHERE n = $1", first)
            await both.wait()
            await connection.execute("UPDATE public.t SET n = n WHERE n = $1", then)

    ends = await asyncio.gather(change(1, 2), change(2, 1), return_exceptions=True)
    assert [type(end) for end in ends if end is not None] == [UnavailableError]
    assert database.trouble is None
    await database.close()


async def test_migrations_run_once_in_order_and_must_not_change(
    empty_database: MadeDatabase, tmp_path: Path
) -> None:
    (tmp_path / "0001_a.sql").write_text("CREATE TABLE mig.a (id int);")
    (tmp_path / "0002_b.sql").write_text("INSERT INTO mig.a VALUES (1);")
    url = empty_database.owner_url
    both = await asyncio.gather(migrate(url, "mig", tmp_path), migrate(url, "mig", tmp_path))
    assert sorted(both, key=len) == [[], ["0001_a.sql", "0002_b.sql"]]
    (tmp_path / "0003_c.sql").write_text("INSERT INTO mig.a VALUES (2); SELECT 1/0;")
    with pytest.raises(Exception, match="division by zero"):
        await migrate(url, "mig", tmp_path)
    database = Database(url, "owner")
    async with database.transaction() as connection:
        assert await connection.fetchval("SELECT count(*) FROM mig.a") == 1
    await database.close()
    (tmp_path / "0003_c.sql").unlink()
    (tmp_path / "0002_b.sql").write_text("INSERT INTO mig.a VALUES (3);")
    with pytest.raises(OperatorError, match="0002_b.sql was changed"):
        await migrate(url, "mig", tmp_path)


async def test_what_has_nothing_to_apply_is_known_by_looking(
    empty_database: MadeDatabase, tmp_path: Path
) -> None:
    url = empty_database.owner_url
    connection = await asyncpg.connect(url)

    async def known() -> bool:
        return await up_to_date(connection, "mig", tmp_path)

    try:
        assert not await up_to_date(connection, "mig", tmp_path / "missing")
        (tmp_path / "0001_a.sql").write_text("CREATE TABLE mig.a (id int);")
        assert not await known(), "nothing is applied yet"
        await migrate(url, "mig", tmp_path)
        assert await known()
        (tmp_path / "0002_b.sql").write_text("CREATE TABLE mig.b (id int);")
        assert not await known(), "a file is new, as after an update or a restore"
        await migrate(url, "mig", tmp_path)
        assert await known()
        (tmp_path / "0001_a.sql").write_text("CREATE TABLE mig.c (id int);")
        assert not await known(), "a changed file is for `migrate` to refuse"
    finally:
        await connection.close()
