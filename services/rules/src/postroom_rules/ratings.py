"""What is asked about a mail before the rules are tried on it."""

from typing import Protocol

from postroom_contract.documents import SpamDocument, spam_key
from postroom_contract.mail import Authentication, Envelope
from postroom_contract.rules import Rating
from postroom_rules.domain.rating import Lists, Opinion, by_headers, by_lists, rated
from postroom_rules.domain.spam_tokens import MailAndTokens
from postroom_rules.domain.taught import Taught
from postroom_runtime.configuration import Configuration
from postroom_runtime.errors import UnavailableError


class Filters(Protocol):
    """Where the filters of accounts are."""

    async def of(self, account: str) -> Taught:
        """Return an account's filter; UnavailableError while it cannot be read."""


class Scanner(Protocol):
    """A server that rates mail as well."""

    async def ask(self, raw: bytes, envelope: Envelope) -> Opinion | None:
        """Return what it thinks; None where it did not answer in time."""


class SpamDocuments:
    """The accounts' settings, with their lists as sets."""

    def __init__(self, configuration: Configuration) -> None:
        self._configuration = configuration
        self._lists: dict[str, tuple[int, Lists]] = {}

    def of(self, account: str) -> SpamDocument:
        """Return an account's settings; UnavailableError while they are not known for sure."""
        found = self._configuration.get(spam_key(account), SpamDocument)
        if found is None and not self._configuration.knows():
            raise UnavailableError(f"how mail of {account} is rated is not known yet")
        return found or SpamDocument(account=account, version=0)

    def lists(self, settings: SpamDocument) -> Lists:
        """Return the lists of settings."""
        version, lists = self._lists.get(settings.account, (-1, Lists()))
        if version != settings.version:
            lists = Lists(frozenset(settings.allowed), frozenset(settings.blocked))
            self._lists[settings.account] = settings.version, lists
        return lists


class Ratings:
    """Asks the lists, the account's filter, trusted headers and, where there is one, rspamd."""

    def __init__(
        self, settings: SpamDocuments, filters: Filters, scanner: Scanner | None = None
    ) -> None:
        self._settings = settings
        self._filters = filters
        self._scanner = scanner

    async def wants_tokens(self, account: str) -> bool:
        """Whether the account's filter has learnt enough to say anything."""
        return (await self._filters.of(account)).model.knows

    async def rate(self, read: MailAndTokens, envelope: Envelope, raw: bytes) -> Rating:
        """Return a mail's rating; UnavailableError while it cannot be known."""
        settings = self._settings.of(envelope.account)
        listed = by_lists(
            self._settings.lists(settings),
            [one.address for one in read.mail.from_],
            envelope.sender,
            envelope.authentication or Authentication(),
        )
        taught = await self._filters.of(envelope.account)
        opinions = [listed, taught.opinion(read.tokens)]
        opinions += by_headers(read.mail, settings.trusted_headers)
        if self._scanner is not None and listed is None:
            opinions.append(await self._scanner.ask(raw, envelope))
        return rated(
            (one for one in opinions if one is not None),
            model=taught.sequence,
            learnt_spam=taught.model.spam,
            learnt_ham=taught.model.ham,
        )
