"""Passwords of other people's servers, sealed for the fetcher: the api cannot open them again."""

from urllib.parse import urlsplit

from postroom_api.domain.mail_services import OAuthClient
from postroom_api.domain.mailbox_settings import MailboxSettings
from postroom_runtime.errors import OperatorError
from postroom_runtime.sealing import SealedSecret, parse_public_key, seal


class FetcherSeal:
    """Seals to the fetcher's public key (hex)."""

    def __init__(self, public_key: str) -> None:
        try:
            self._key = parse_public_key(public_key)
        except ValueError as error:
            raise OperatorError(f"POSTROOM_FETCHER_PUBLIC_KEY: {error}") from error

    def seal(self, mailbox: str, settings: MailboxSettings) -> str | None:
        """Return the password sealed with all it is for; None when none was given."""
        source = settings.source
        if not source.password:
            return None
        return seal(
            self._key,
            SealedSecret(
                password=source.password,
                mailbox=mailbox,
                login=source.login,
                host=source.host,
                port=source.port,
                tls=source.tls,
                verify=source.verify,
            ),
        )

    def seal_client(self, service: str, oauth: OAuthClient) -> str | None:
        """Return an OAuth2 client's secret sealed with the client and where it may be sent."""
        if not oauth.client_secret:
            return None
        where = urlsplit(oauth.token_url)
        return seal(
            self._key,
            SealedSecret(
                password=oauth.client_secret,
                mailbox=service,
                login=oauth.client_id,
                host=(where.hostname or "").lower(),
                port=where.port or 443,
                tls="implicit",
                verify=True,
            ),
        )
