"""What a form says when a field cannot be understood: which, and what would be taken."""

import msgspec
import pytest

from postroom_api.domain import mailbox_forms, service_forms
from postroom_api.domain.mailbox_forms import FormError, MailboxForm
from postroom_api.domain.service_forms import ServiceForm


@pytest.mark.parametrize(
    ("field", "value", "words"),
    [
        ("port", "imaps", "source port: This must be a whole number from 0 to 65,535."),
        ("port", "70000", "source port: This must be a whole number from 0 to 65,535."),
        ("tls", "perhaps", "source tls: This must be one of: implicit, none, starttls."),
        ("keep_days", "a week", "limits keep days: This must be a whole number"),
        ("name", "", "name: This must be a text of 1 to 100 characters."),
    ],
)
def test_a_mailbox_form(field: str, value: str, words: str) -> None:
    form = msgspec.structs.replace(MailboxForm(name="Office", host="x"), **{field: value})
    with pytest.raises(FormError) as found:
        mailbox_forms.settings_of(form, "imap")
    assert words in str(found.value)


def test_a_service_form() -> None:
    with pytest.raises(FormError) as found:
        service_forms.settings_of(ServiceForm(name="Ours", imap_port="many"))
    assert str(found.value) == "imap port: This must be a whole number from 0 to 65,535."
