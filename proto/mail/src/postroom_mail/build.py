"""The door to everything that makes mail: header lines, bodies, templates, forum posts."""

from postroom_mail.lines import (
    date_header,
    header,
    mailbox_header,
    message_ids_header,
    phrase,
    text_body,
)
from postroom_mail.post import LOOP_HEADER, PLACES, list_id, post_mail
from postroom_mail.template import Template, UnsafeHeaderError, compile_template, fill, mark

__all__ = [
    "LOOP_HEADER",
    "PLACES",
    "Template",
    "UnsafeHeaderError",
    "compile_template",
    "date_header",
    "fill",
    "header",
    "list_id",
    "mailbox_header",
    "mark",
    "message_ids_header",
    "phrase",
    "post_mail",
    "text_body",
]
