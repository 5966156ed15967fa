"""SRV records by dnspython: questions to the machine's own resolver, and nothing else."""

from typing import TYPE_CHECKING

from postroom_api.domain.discovery import SrvRecord

if TYPE_CHECKING:
    import dns.asyncresolver

MOST = 20


class DnspythonResolver:
    """Asks the name servers of this machine (or those given, for tests)."""

    def __init__(self, nameservers: list[str] | None = None, port: int = 53) -> None:
        self._nameservers = nameservers
        self._port = port
        self._resolver: dns.asyncresolver.Resolver | None = None

    async def srv(self, name: str, seconds: float) -> list[SrvRecord]:
        """Return the records of a name; none when there are none, or no answer in time."""
        import dns.exception  # late, here and below: a start does not need it
        import dns.rdatatype

        try:
            answer = await self._ready().resolve(
                name, dns.rdatatype.SRV, lifetime=seconds, search=False
            )
        except dns.exception.DNSException:
            return []
        return [
            SrvRecord(one.priority, one.weight, one.port, one.target.to_text())
            for one in list(answer)[:MOST]
        ]

    def _ready(self) -> "dns.asyncresolver.Resolver":
        """Return the resolver; made at the first question, since the machine may have none."""
        if self._resolver is None:
            import dns.asyncresolver

            self._resolver = dns.asyncresolver.Resolver(configure=self._nameservers is None)
            if self._nameservers is not None:
                self._resolver.nameservers = list(self._nameservers)
                self._resolver.port = self._port
        return self._resolver
