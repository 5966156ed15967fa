"""What is counted, for `/metrics`."""

from prometheus_client import REGISTRY, CollectorRegistry, Counter, Gauge


class PrometheusCounts:
    """Counters of one process; made once per registry."""

    def __init__(self, registry: CollectorRegistry = REGISTRY) -> None:
        self._accepted = Counter(
            "postroom_smtp_accepted_total", "Recipients whose mail was stored", registry=registry
        )
        self._refused = Counter(
            "postroom_smtp_refused_total", "Refusals by reason", ["why"], registry=registry
        )
        self._deferred = Counter(
            "postroom_smtp_deferred_total", "Mails put off by reason", ["why"], registry=registry
        )
        self._sent = Counter(
            "postroom_smtp_sent_total", "Copies by what became of them", ["state"],
            registry=registry,
        )  # fmt: skip
        self._connections = Gauge(
            "postroom_smtp_connections", "Peers connected now", registry=registry
        )
        self._slowed = Gauge(
            "postroom_smtp_slowed_destinations", "Destinations that asked for less and have less",
            registry=registry,
        )  # fmt: skip

    def accepted(self, recipients: int) -> None:
        """Count a stored transaction."""
        self._accepted.inc(recipients)

    def refused(self, why: str) -> None:
        """Count a refusal by its reason."""
        self._refused.labels(why).inc()

    def deferred(self, why: str) -> None:
        """Count a "come again later"."""
        self._deferred.labels(why).inc()

    def sent(self, state: str) -> None:
        """Count a copy by what became of it."""
        self._sent.labels(state).inc()

    def slowed(self, now: int) -> None:
        """Say how many destinations have fewer slots."""
        self._slowed.set(now)

    def connections(self, now: int) -> None:
        """Say how many peers are connected."""
        self._connections.set(now)
