"""Raw mail is taken out of its stream.

Law: the bytes are believed to be the mail's only if the id found with them is.
"""

import json

from postroom_contract.codec import ENVELOPE_HEADER, ContractError, envelope_from_header
from postroom_contract.commands import MailReference
from postroom_runtime.bus import Bus


async def delete_raw(bus: Bus, account: str, mail: MailReference) -> bool:
    """Overwrite a mail in its stream, if what lies there is this mail; return whether it was."""
    found = await bus.get(mail.raw)
    if found is None:
        return False
    try:
        envelope = envelope_from_header(found.headers.get(ENVELOPE_HEADER, ""))
    except ContractError:
        return False
    if (envelope.id, envelope.account) != (mail.id, account):
        return False
    question = json.dumps({"seq": mail.raw.sequence, "no_erase": False}).encode()
    await bus.ask(f"$JS.API.STREAM.MSG.DELETE.{mail.raw.stream}", question)
    return True
