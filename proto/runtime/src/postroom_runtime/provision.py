"""Making the broker as the contract says: `python -m postroom_runtime.provision`.

The one place that creates streams and consumers, under the user `operator`; services only check.
"""

import asyncio
import json
import os
import sys
from typing import Any

import msgspec
import nats
import nats.errors

from postroom_contract import streams
from postroom_runtime.errors import OperatorError, UnavailableError
from postroom_runtime.settings import Settings
from postroom_runtime.stream_config import consumer_config, differences, wanted_config

MINIMUM_SERVER = (2, 14)
_NOT_FOUND = 404


async def provision(
    url: str, user: str, password: str | None, *, intake_bytes: int | None = None
) -> None:
    """Create what is missing and bring what differs into line.

    `intake_bytes`: how much undeleted mail the broker may hold in all shards together.

    OperatorError: the server is too old or refuses a change. UnavailableError: no answer.
    """
    nats.aio.client.parse_email = None  # type: ignore[attr-defined]  # trap 1
    try:
        client = await nats.connect(
            url, user=user, password=password, connect_timeout=5, max_reconnect_attempts=3
        )
    except (nats.errors.Error, OSError) as error:
        raise UnavailableError(f"cannot connect to the broker at {url}: {error!r}") from error
    try:
        version = client.connected_server_version
        if (version.major, version.minor) < MINIMUM_SERVER:
            raise OperatorError(f"nats-server {version} is too old: 2.14 is needed for schedules")
        for spec in streams.STREAMS:
            await _ensure_stream(client, _sized(spec, intake_bytes))
        for consumer in streams.CONSUMERS:
            await _ensure_consumer(client, consumer)
    finally:
        await client.close()


def _sized(spec: streams.StreamSpec, intake_bytes: int | None) -> streams.StreamSpec:
    if intake_bytes and spec in streams.INTAKE:
        return msgspec.structs.replace(spec, max_bytes=intake_bytes // len(streams.INTAKE))
    return spec


async def _ask(client: Any, subject: str, question: dict[str, Any] | None) -> dict[str, Any]:
    payload = json.dumps(question).encode() if question is not None else b""
    try:
        message = await client.request(f"$JS.API.{subject}", payload, timeout=10)
    except (nats.errors.Error, TimeoutError) as error:
        raise UnavailableError(f"the broker did not answer {subject}: {error!r}") from error
    return dict(json.loads(message.data))


async def _ensure_stream(client: Any, spec: streams.StreamSpec) -> None:
    info = await _ask(client, f"STREAM.INFO.{spec.name}", None)
    wanted = wanted_config(spec)
    if info.get("error", {}).get("code") == _NOT_FOUND:
        answer = await _ask(client, f"STREAM.CREATE.{spec.name}", wanted)
    elif "error" not in info and differences(spec, info["config"]):
        answer = await _ask(client, f"STREAM.UPDATE.{spec.name}", {**info["config"], **wanted})
    else:
        answer = info
    _refuse_errors(f"stream {spec.name}", answer)


async def _ensure_consumer(client: Any, spec: streams.ConsumerSpec) -> None:
    question = {"stream_name": spec.stream, "config": consumer_config(spec)}
    answer = await _ask(client, f"CONSUMER.DURABLE.CREATE.{spec.stream}.{spec.name}", question)
    _refuse_errors(f"consumer {spec.name}", answer)


def _refuse_errors(what: str, answer: dict[str, Any]) -> None:
    if error := answer.get("error"):
        raise OperatorError(f"{what}: {error.get('description')} ({error.get('err_code')})")


def main() -> int:
    """Provision the broker named by the settings; return the exit code."""
    settings = Settings(os.environ)
    try:
        asyncio.run(
            provision(
                settings.text("NATS_URL", "nats://127.0.0.1:4222"),
                settings.text("NATS_USER", "operator"),
                settings.optional("NATS_PASSWORD"),
                intake_bytes=settings.integer("INTAKE_BYTES", 0, high=2**50) or None,
            )
        )
    except (OperatorError, UnavailableError) as error:
        sys.stderr.write(f"{error}\n")
        return 78
    return 0


if __name__ == "__main__":
    sys.exit(main())
