"""An e-mail service as a form, and back."""

from collections.abc import Mapping
from typing import Any

import msgspec

from postroom_api.domain.mail_services import MailService, ServiceSettings
from postroom_api.domain.mailbox_forms import FormError
from postroom_api.domain.needed import refused


class ServiceForm(msgspec.Struct):
    """The fields as a browser has them."""

    name: str = ""
    domains: str = ""
    active: bool = True
    free: bool = False
    imap_host: str = ""
    imap_port: str = ""
    imap_tls: str = "implicit"
    imap_verify: bool = True
    imap_ca: str = ""
    smtp_host: str = ""
    smtp_port: str = ""
    smtp_tls: str = "implicit"
    web_link: str = ""
    oauth_use: str = "no"
    oauth_client_id: str = ""
    oauth_client_secret: str = ""
    oauth_authorize_url: str = ""
    oauth_token_url: str = ""
    oauth_scopes: str = ""


_FLAGS = ("active", "free", "imap_verify")


def read(fields: Mapping[str, str]) -> ServiceForm:
    """Return the form; an unchecked box is not sent, so it is off."""
    form = ServiceForm()
    for name in form.__struct_fields__:
        sent = fields.get(name, "")
        setattr(form, name, bool(sent) if name in _FLAGS else sent.strip())
    return form


def to_form(service: MailService) -> ServiceForm:
    """Return the form that shows a service; never a secret."""
    imap, smtp, oauth = service.imap, service.smtp, service.oauth
    return ServiceForm(
        name=service.name,
        domains="\n".join(service.domains),
        active=service.active,
        free=service.free,
        imap_host=imap.host,
        imap_port=str(imap.port or ""),
        imap_tls=imap.tls,
        imap_verify=imap.verify,
        imap_ca=imap.ca,
        smtp_host=smtp.host,
        smtp_port=str(smtp.port or ""),
        smtp_tls=smtp.tls,
        web_link=service.web_link,
        oauth_use=oauth.use,
        oauth_client_id=oauth.client_id,
        oauth_authorize_url=oauth.authorize_url,
        oauth_token_url=oauth.token_url,
        oauth_scopes=oauth.scopes,
    )


def settings_of(form: ServiceForm) -> ServiceSettings:
    """Return the settings; FormError names the field that is no number or too long."""
    plain: dict[str, Any] = {
        "name": form.name,
        "domains": form.domains.replace(",", " ").split(),
        "active": form.active,
        "free": form.free,
        "imap": {
            "host": form.imap_host,
            "port": form.imap_port or 0,
            "tls": form.imap_tls,
            "verify": form.imap_verify,
            "ca": form.imap_ca,
        },
        "smtp": {"host": form.smtp_host, "port": form.smtp_port or 0, "tls": form.smtp_tls},
        "web_link": form.web_link,
        "oauth": {
            "use": form.oauth_use,
            "client_id": form.oauth_client_id,
            "client_secret": form.oauth_client_secret or None,
            "authorize_url": form.oauth_authorize_url,
            "token_url": form.oauth_token_url,
            "scopes": form.oauth_scopes,
        },
    }
    try:
        return msgspec.convert(plain, type=ServiceSettings, strict=False)
    except msgspec.ValidationError as error:
        wrong = refused(error, ServiceSettings)
        field = wrong.pointer.strip("/").replace("/", " ").replace("_", " ")
        raise FormError(f"{field}: {wrong.detail}") from error
