"""Stream specifications as the broker's JSON, and where a broker differs from them."""

from collections.abc import Mapping
from typing import Any

from postroom_contract import streams


def differences(spec: streams.StreamSpec, config: Mapping[str, Any]) -> list[str]:
    """Return how a stream's configuration differs from its specification, in words.

    A size limit must be there where the contract has one; how large it is, the operator says.
    """
    wanted = wanted_config(spec)
    return [
        f"{key} is {config.get(key)!r}, not {value!r}"
        for key, value in wanted.items()
        if not (key == "max_bytes" and value > 0 and config.get(key, 0) > 0)
        and (config.get(key) or _absent(value)) != value
        and key != "num_replicas"
    ]


def _absent(value: object) -> object:
    return {bool: False, int: 0, str: ""}.get(type(value))


def wanted_config(spec: streams.StreamSpec) -> dict[str, Any]:
    """Return the broker's JSON for a stream's specification."""
    nanoseconds = 1_000_000_000
    config: dict[str, Any] = {
        "name": spec.name,
        "subjects": list(spec.subjects),
        "retention": spec.retention,
        "storage": "file",
        "discard": spec.discard,
        "max_age": spec.max_age * nanoseconds,
        "max_bytes": spec.max_bytes or -1,
        "max_msgs_per_subject": spec.max_msgs_per_subject or -1,
        "duplicate_window": spec.duplicate_window * nanoseconds,
        "compression": spec.compression,
        "allow_direct": True,
        "allow_atomic": spec.atomic,
        "allow_msg_schedules": spec.schedules,
        "allow_rollup_hdrs": spec.rollup,
        "deny_delete": spec.deny_delete,
    }
    if spec.persist_mode != "default":
        config["persist_mode"] = spec.persist_mode
    return config


def consumer_config(spec: streams.ConsumerSpec) -> dict[str, Any]:
    """Return the broker's JSON for a durable pull consumer."""
    return {
        "durable_name": spec.name,
        "deliver_policy": "all",
        "ack_policy": "explicit",
        "ack_wait": spec.ack_wait * 1_000_000_000,
        "max_deliver": spec.max_deliver,
        "max_ack_pending": spec.max_ack_pending,
        "max_waiting": 512,
        "filter_subjects": list(spec.filters),
    }
