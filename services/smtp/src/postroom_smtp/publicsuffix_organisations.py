"""Organisational domains by the Public Suffix List that ships with publicsuffixlist."""

from functools import cached_property

from publicsuffixlist import PublicSuffixList


class PublicSuffixes:
    """The list, as it was when the package was made; nothing is fetched."""

    @cached_property
    def _list(self) -> PublicSuffixList:
        return PublicSuffixList()  # read when first asked: start-up does not wait for it

    def organisation(self, domain: str) -> str:
        """Return the organisational domain (RFC 7489 §3.2); of a public suffix itself."""
        return str(self._list.privatesuffix(domain) or domain)
