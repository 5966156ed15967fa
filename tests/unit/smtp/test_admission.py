"""What an address stands for."""

import pytest

from postroom_mail.address import Address
from postroom_mail.tokens import TokenKeys, sign
from postroom_smtp.domain import admission
from support.smtp import FORUM, address_document

KEYS = TokenKeys((("1", b"k" * 32),))


def target(address, *known, exact=()):
    asked = admission.question(Address(*address.split("@")))
    documents = {one: address_document(one) for one in known}
    return admission.decide(
        asked,
        documents.get(asked.exact),
        documents.get(asked.base or ""),
        domain_is_ours=True,
        knows=True,
    )


@pytest.mark.parametrize(("kind", "role"), [("r", "reply"), ("b", "bounce"), ("u", "leave")])
def test_a_token_brings_its_role_and_comes_along_in_lower_case(kind, role):
    token = sign(KEYS, kind, 42)
    found = target(f"Garden+{token.upper()}@ours.example", FORUM)
    assert (found.role, found.token, found.forum) == (role, token, "frm_garden")
    assert found.recipient == f"garden+{token}@ours.example"


def test_any_other_detail_is_plus_addressing():
    found = target("garden+news@ours.example", FORUM)
    assert (found.role, found.token, found.recipient) == ("post", None, "garden+news@ours.example")
    assert target("a+x+y@ours.example", "a@ours.example").role == "mail"


def test_a_token_at_an_address_without_a_forum_means_nothing():
    found = target(f"a+{sign(KEYS, 'b', 1)}@ours.example", "a@ours.example")
    assert (found.role, found.token) == ("mail", None)


def test_an_exact_address_goes_before_its_base():
    found = target("a+b@ours.example", "a@ours.example", "a+b@ours.example")
    assert found.mailbox == "mbx_a+b"
