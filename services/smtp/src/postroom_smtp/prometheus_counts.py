"""What is counted, for `/metrics`."""

from collections import defaultdict

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
        self._untold = Counter(
            "postroom_smtp_untold_total", "Refusals that no event tells of", registry=registry
        )
        self._slowed = Gauge(
            "postroom_smtp_slowed_destinations", "Destinations that asked for less and have less",
            registry=registry, multiprocess_mode="livesum",
        )  # fmt: skip
        self.numbers = defaultdict[str, int](int)
        """All of it by name, such as `refused relay`."""
        self._connections = Gauge(
            "postroom_smtp_connections", "Peers connected now", registry=registry,
            multiprocess_mode="livesum",
        )  # fmt: skip

    def accepted(self, recipients: int) -> None:
        """Count a stored transaction."""
        self._accepted.inc(recipients)
        self.numbers["accepted"] += recipients

    def refused(self, why: str) -> None:
        """Count a refusal by its reason."""
        self._refused.labels(why).inc()
        self.numbers[f"refused {why}"] += 1

    def deferred(self, why: str) -> None:
        """Count a "come again later"."""
        self._deferred.labels(why).inc()
        self.numbers[f"deferred {why}"] += 1

    def sent(self, state: str) -> None:
        """Count a copy by what became of it."""
        self._sent.labels(state).inc()
        self.numbers[f"sent {state}"] += 1

    def untold(self, number: int) -> None:
        """Count refusals that no event tells of."""
        self._untold.inc(number)
        self.numbers["untold"] += number

    def slowed(self, now: int) -> None:
        """Say how many destinations have fewer slots."""
        self._slowed.set(now)

    def connections(self, now: int) -> None:
        """Say how many peers are connected."""
        self._connections.set(now)
        self.numbers["sessions"] += now > self.numbers["connections"]
        self.numbers["connections"] = now
