"""One SMTP session as lines in, replies out (RFC 5321 §3, §4); it touches no socket.

Laws:
1. Every line gets exactly one reply.
2. Nobody is asked for a password before the session is encrypted.
3. A recipient that was accepted stands in `targets` once, however often it was named.
"""

from collections.abc import Callable
from typing import Final

from postroom_mail.address import Address
from postroom_smtp.domain import arguments, replies, signing_in
from postroom_smtp.domain.admission import Target
from postroom_smtp.domain.limits import Limits
from postroom_smtp.domain.replies import RefusalError, Reply
from postroom_smtp.domain.signing_in import Check, Exchange

Admit = Callable[[Address], Target]
"""Returns where mail for an address goes, or raises RefusalError."""

_KNOWN_BUT_NOT_OFFERED: Final = frozenset(
    {"AUTH", "BDAT", "ETRN", "EXPN", "SAML", "SEND", "SOML", "STARTTLS", "TURN"}
)
_WRONG_PASSWORDS: Final = 3
_LONGEST_NAME: Final = 255


class Conversation:
    """The state of a session between its lines."""

    def __init__(
        self,
        hostname: str,
        limits: Limits,
        admit: Admit,
        *,
        check: Check | None = None,
        tls_offered: bool = False,
        tls: str = "",
        lmtp: bool = False,
    ) -> None:
        self._hostname = hostname
        self._limits = limits
        self._admit = admit
        self._check = check
        self._tls_offered = tls_offered
        self._exchange: Exchange | None = None
        self._wrong = 0
        self.tls = tls
        """The version of the session's TLS; empty = it is in clear."""
        self.submitter = ""
        """Who has signed in."""
        self._commands = 0
        self._errors = 0
        self.helo = ""
        """What the peer calls itself; empty before EHLO or HELO."""
        self.extended = False
        self.sender: str | None = None
        """None outside of a transaction; empty for the null sender."""
        self.smtputf8 = False
        self.targets: dict[str, Target] = {}
        self.granted: list[str] = []
        """The recipients as RCPT was granted; one may be named twice."""
        self._lmtp = lmtp
        self._verbs: dict[str, Callable[[str], Reply]] = {
            "EHLO": self._ehlo,
            "HELO": self._helo,
            "MAIL": self._mail,
            "RCPT": self._rcpt,
            "DATA": self._data,
            "RSET": self._rset,
            "NOOP": lambda _: replies.DONE,
            "VRFY": lambda _: replies.CANNOT_VERIFY,
            "HELP": lambda _: replies.HELP,
            "QUIT": lambda _: replies.GOODBYE,
        }
        if lmtp:  # RFC 2033 §4.1
            self._verbs |= {"LHLO": self._ehlo, "EHLO": _no_lhlo, "HELO": _no_lhlo}
        if tls_offered:
            self._verbs["STARTTLS"] = self._starttls
        if check is not None:
            self._verbs["AUTH"] = self._auth

    def command(self, line: bytes) -> Reply:
        """Answer one line, given without its CRLF: a command, or what AUTH has asked for."""
        verb = ""
        try:
            if self._exchange is not None:
                reply = self._go_on(self._exchange, line)
            else:
                verb, argument = self._parse(line)
                reply = self._answer(verb, argument)
        except RefusalError as refusal:
            verb, reply = "", refusal.reply
        return self.count(verb, reply)

    def encrypted(self, version: str) -> None:
        """Begin anew, under TLS: what was said in clear is forgotten (RFC 3207 §4.2)."""
        self.end_transaction(accepted=False)
        self.helo = ""
        self.extended = False
        self.tls = version

    def count(self, verb: str, reply: Reply) -> Reply:
        """Return `reply`, or the end of the session when it was one too many."""
        if reply.closes:
            return reply
        if not (reply.is_progress and verb in {"MAIL", "RCPT", "DATA"}):
            self._commands += 1
        self._errors += reply.is_error
        if self._commands > self._limits.commands:
            return replies.too_many("commands")
        if self._errors > self._limits.errors:
            return replies.too_many("errors")
        return reply

    def end_transaction(self, *, accepted: bool) -> None:
        """Forget sender and recipients; an accepted mail makes up for what went before."""
        self.sender = None
        self.smtputf8 = False
        self.targets = {}
        self.granted = []
        if accepted:
            self._commands = self._errors = 0

    @property
    def protocol(self) -> str:
        """The name for the `with` of Received (RFC 3848, RFC 6531 §4.3)."""
        security = ("S" if self.tls else "") + ("A" if self.submitter else "")
        transfer = "LMTP" if self._lmtp else "SMTP"
        if self.smtputf8:
            return f"UTF8{transfer}{security}"
        if self._lmtp:
            return transfer + security
        return f"ESMTP{security}" if self.extended else "SMTP"

    def _parse(self, line: bytes) -> tuple[str, str]:
        try:
            text = line.decode("utf-8")
        except UnicodeDecodeError:
            raise RefusalError(replies.syntax("the command is not UTF-8")) from None
        if not text.isprintable():
            raise RefusalError(replies.syntax("the command has a control character"))
        verb, _, argument = text.partition(" ")
        return verb.upper(), argument.strip(" ")

    def _answer(self, verb: str, argument: str) -> Reply:
        known = self._verbs.get(verb)
        if known is not None:
            return known(argument)
        if verb in _KNOWN_BUT_NOT_OFFERED:
            return replies.not_offered()
        return replies.syntax("what?")

    def _ehlo(self, argument: str) -> Reply:
        self._greet(argument)
        self.extended = True
        offered = [f"SIZE {self._limits.message}", *arguments.EXTENSIONS]
        if self._tls_offered and not self.tls:
            offered.append("STARTTLS")
        if self._check is not None and self.tls:
            offered.append(f"AUTH {' '.join(signing_in.MECHANISMS)}")
        return replies.ehlo(self._hostname, offered)

    def _helo(self, argument: str) -> Reply:
        self._greet(argument)
        self.extended = False
        return replies.helo(self._hostname)

    def _greet(self, argument: str) -> None:
        if not argument or " " in argument or len(argument) > _LONGEST_NAME:
            raise RefusalError(replies.argument("say your name"))
        self.end_transaction(accepted=False)
        self.helo = argument

    def _starttls(self, argument: str) -> Reply:
        if argument:
            return replies.argument("STARTTLS takes no argument")
        return replies.TLS_ACTIVE if self.tls else replies.START_TLS

    def _auth(self, argument: str) -> Reply:
        if not self.tls:
            return replies.TLS_NEEDED
        if not self.extended:
            return replies.sequence("send EHLO first")
        if self.submitter or self.sender is not None:
            return replies.sequence("not now")
        self._exchange = signing_in.begin(argument)
        return self._go_on(self._exchange, None)

    def _go_on(self, exchange: Exchange, line: bytes | None) -> Reply:
        """Send the line into the exchange; at its end the password is checked."""
        self._exchange = None
        try:
            challenge = next(exchange) if line is None else exchange.send(line)
        except StopIteration as end:
            return self._signed_in(*end.value)
        self._exchange = exchange
        return challenge

    def _signed_in(self, login: str, password: str) -> Reply:
        assert self._check is not None, "AUTH is offered only with it"
        try:
            self.submitter = self._check(login, password)
        except RefusalError as refusal:
            self._wrong += refusal.reply == replies.WRONG_PASSWORD
            if self._wrong >= _WRONG_PASSWORDS:
                raise RefusalError(replies.TOO_MANY_PASSWORDS) from None
            raise
        return replies.SIGNED_IN

    def _mail(self, argument: str) -> Reply:
        if not self.helo:
            return replies.sequence("send EHLO first")
        if self.sender is not None:
            return replies.sequence("there is a sender already")
        found = arguments.mail_from(
            argument,
            extended=self.extended,
            limit=self._limits.message,
            signing_in=self._check is not None and bool(self.tls),
        )
        if self.submitter and found.sender.lower() != self.submitter:
            return replies.NOT_YOURS
        self.sender, self.smtputf8 = found.sender, found.smtputf8
        return replies.SENDER_OK

    def _rcpt(self, argument: str) -> Reply:
        if self.sender is None:
            return replies.sequence("send MAIL first")
        target = self._admit(arguments.rcpt_to(argument, smtputf8=self.smtputf8))
        if target.recipient not in self.targets:
            if len(self.targets) >= self._limits.recipients:
                return replies.TOO_MANY_RECIPIENTS
            self.targets[target.recipient] = target
        self.granted.append(target.recipient)
        return replies.RECIPIENT_OK

    def _data(self, argument: str) -> Reply:
        if argument:
            return replies.argument("DATA takes no argument")
        if not self.targets:
            return replies.sequence("send MAIL and RCPT first")
        return replies.SEND_DATA

    def _rset(self, argument: str) -> Reply:
        if argument:
            return replies.argument("RSET takes no argument")
        self.end_transaction(accepted=False)
        return replies.DONE


def _no_lhlo(_argument: str) -> Reply:
    return replies.LMTP_ONLY
