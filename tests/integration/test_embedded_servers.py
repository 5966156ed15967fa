"""The embedded Postgres and NATS: started, restarted, and who may do what."""

import asyncio
import os
import signal
import stat
import subprocess

import asyncpg
import nats
import nats.errors
import psutil
import pytest

from postroom import tcp_ports
from postroom.embedded.identity import unprivileged
from postroom.embedded.postgres import PostgresServer, binary
from postroom.errors import OperatorError
from support.processes import Process
from support.servers import Nats, Postgres
from support.waiting import eventually

pytestmark = pytest.mark.embedded


async def row(url, query):
    connection = await asyncpg.connect(url)
    try:
        return await connection.fetchval(query)
    finally:
        await connection.close()


async def test_each_login_has_its_place(empty_database):
    assert (
        await row(
            empty_database.owner_url,
            "SELECT rolbypassrls OR rolsuper FROM pg_roles WHERE rolname = current_user",
        )
        is False
    )
    assert (
        await row(
            empty_database.app_url,
            "SELECT rolbypassrls OR rolsuper FROM pg_roles WHERE rolname = current_user",
        )
        is False
    )
    assert (
        await row(
            empty_database.worker_url,
            "SELECT rolbypassrls AND NOT rolsuper FROM pg_roles WHERE rolname = current_user",
        )
        is True
    )
    await row(empty_database.forum_url, "CREATE TABLE t ()")
    for url in (empty_database.owner_url, empty_database.app_url, empty_database.worker_url):
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await row(url, "SELECT count(*) FROM forum.t")


async def test_the_forum_login_makes_nothing_outside_its_schema(empty_database):
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        await row(empty_database.forum_url, "CREATE TABLE public.t ()")
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        await row(empty_database.forum_url, "CREATE SCHEMA other")
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        await row(empty_database.app_url, "CREATE TABLE public.t ()")


async def test_a_wrong_password_is_refused(empty_database):
    with pytest.raises(asyncpg.InvalidPasswordError):
        await row(empty_database.app_url.replace("postroom_app:", "postroom_app:x"), "SELECT 1")


async def test_a_template_is_cloned(postgres):
    calls = []

    async def prepare(database):
        calls.append(database.name)
        await row(database.owner_url, "CREATE SCHEMA api")

    for _ in range(2):
        made = await postgres.create_database(await postgres.template("cloned", prepare))
        assert await row(made.app_url, "SELECT count(*) FROM pg_namespace WHERE nspname='api'") == 1
        await postgres.drop_database(made)
    assert len(calls) == 1


def test_settings_are_durable_and_on_loopback(tmp_path):
    postgres = Postgres(tmp_path, durable=True)
    try:
        postgres.start()

        async def settings():
            connection = await postgres.server.connect()
            try:
                return [
                    await connection.fetchval(f"SHOW {name}")
                    for name in ("fsync", "synchronous_commit", "full_page_writes")
                ]
            finally:
                await connection.close()

        assert asyncio.run(settings()) == ["on", "on", "on"]
        listening = [
            c.laddr
            for c in psutil.Process(postgres.process.pid).net_connections()
            if c.status == psutil.CONN_LISTEN
        ]
        assert listening == [("127.0.0.1", postgres.server.port)]
        assert stat.S_IMODE(postgres.server.data.stat().st_mode) == 0o700
        postgres.process.kill9()
        postgres.start()  # recovers
    finally:
        postgres.stop()
    assert "database system is shut down" in postgres.process.log


def test_initialise_twice_makes_one(tmp_path):
    server = PostgresServer(tmp_path / "pg", 1, "x", unprivileged(tmp_path), durable=False)
    (tmp_path / "pg.new").mkdir()  # left by one that was killed
    assert server.initialise() is True
    assert server.initialise() is False
    assert sorted(p.name for p in tmp_path.iterdir()) == ["pg"]
    (tmp_path / "pg" / "PG_VERSION").write_text("17\n")
    with pytest.raises(OperatorError, match="Postgres 17"):
        server.initialise()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root has to step down")
def test_root_without_namespaces_runs_as_nobody_or_says_why_not(tmp_path_factory):
    closed = tmp_path_factory.mktemp("closed") / "home"
    closed.mkdir()
    closed.parent.chmod(0o700)
    with pytest.raises(OperatorError, match="nobody"):
        unprivileged(closed, namespaces=False)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root has to step down")
def test_nobody_can_run_postgres():
    # pytest's own directories are closed to nobody; a directory of /var/tmp is not.
    made = subprocess.run(["mktemp", "-d", "-p", "/var/tmp"], capture_output=True, text=True)
    from pathlib import Path
    from shutil import rmtree

    home = Path(made.stdout.strip())
    server = PostgresServer(
        home / "pg", tcp_ports.choose(), "x", unprivileged(home, namespaces=False), durable=False
    )
    process = None
    try:
        server.initialise()
        process = Process(
            server.command(),
            os.environ,
            home / "log",
            identity=server.identity,
            stop_signal=signal.SIGINT,
        )

        async def ready():
            async with asyncio.timeout(20):
                await server.wait_until_ready()

        asyncio.run(ready())
        assert psutil.Process(process.pid).username() == "nobody"
    finally:
        if process:
            process.terminate()
        rmtree(home)


def test_a_missing_program_is_an_operators_error():
    with pytest.raises(OperatorError, match="has no pg_nothing"):
        binary("pg_nothing")


async def connect(server: Nats, user: str, errors: list | None = None):
    async def on_error(error):
        if errors is not None:
            errors.append(error)

    return await nats.connect(
        server.url,
        user=user,
        password=server.passwords[user],
        allow_reconnect=False,
        error_cb=on_error,
        inbox_prefix=f"_INBOX_{user}".encode(),
    )


async def test_nats_is_on_loopback_and_asks_for_a_password(bare_nats):
    listening = {
        c.laddr.ip
        for c in psutil.Process(bare_nats.process.pid).net_connections()
        if c.status == psutil.CONN_LISTEN
    }
    assert listening == {"127.0.0.1"}
    with pytest.raises(nats.errors.Error):
        await nats.connect(bare_nats.url, allow_reconnect=False)


@pytest.mark.parametrize("user", ["fetcher", "smtp", "rules", "api", "forum-bridge"])
async def test_no_service_may_make_streams_or_listen_to_everything(bare_nats, user):
    errors: list = []
    client = await connect(bare_nats, user, errors)
    await client.publish("$JS.API.STREAM.CREATE.MINE", b"{}")
    await client.subscribe(">")
    await eventually(lambda: len(errors) == 2, 5, what="two refusals")
    assert all("permissions violation" in str(e).lower() for e in errors)
    await client.close()


async def test_streams_survive_kill_9(nats_server):
    client = await connect(nats_server, "operator")
    before = {s.config.name for s in await client.jetstream().streams_info()}
    await client.close()
    nats_server.process.kill9()
    await nats_server.start_again()
    client = await connect(nats_server, "operator")
    assert {s.config.name for s in await client.jetstream().streams_info()} == before
    await client.close()


async def test_a_broker_that_syncs_later_is_refused(bare_nats):
    """Law 1: what is acknowledged is on the disk."""
    path = bare_nats.directory / "nats" / "nats.conf"
    bare_nats.stop()
    bare_nats.server.write_configuration()
    path.write_text(path.read_text().replace('"sync_interval": "always"', '"sync_interval": "2m"'))
    lazy = Process(bare_nats.server.command(), os.environ, bare_nats.directory / "lazy.log")
    try:
        with pytest.raises(OperatorError, match="sync_always"):
            async with asyncio.timeout(20):
                await bare_nats.server.wait_until_ready()
    finally:
        lazy.terminate()
