"""What was said between us and a server, in short: commands and answers, never mails or secrets.

Laws:
1. What a secret is sent with is written down by its name alone, and a secret that a server says
   back is taken out.
2. It holds a beginning and an end of bounded length, whatever the server says.
"""

from collections import deque
from collections.abc import Sequence
from typing import Final

from postroom_fetcher.domain.secret import without

HEAD: Final = 60
TAIL: Final = 60
LINE: Final = 160
LOOKED_AT: Final = 2_000
"""Characters of a line that are looked at, before it is cut."""
_SECRET: Final = frozenset({"LOGIN", "AUTHENTICATE", "PASS", "APOP"})


class Transcript:
    """One conversation."""

    def __init__(self) -> None:
        self._head: list[str] = []
        self._tail: deque[str] = deque(maxlen=TAIL)
        self._left_out = 0
        self._secrets: list[str] = []

    def hide(self, secret: str) -> None:
        """Take this out of all that is said from now on."""
        if secret:
            self._secrets.append(secret)

    def sent(self, name: str, arguments: Sequence[str] = ()) -> None:
        """Write down a command of ours; never what one says that carries a secret."""
        words = ["…"] if name.strip().upper() in _SECRET else arguments
        self._add("C: ", " ".join([name.strip(), *words]))

    def heard(self, line: bytes, content: int = 0) -> None:
        """Write down a line of the server's, and how many bytes of content came with it."""
        text = line[:LOOKED_AT].decode("utf-8", "replace")
        self._add("S: ", f"{text} ({content} bytes)" if content else text)

    def noted(self, words: str) -> None:
        """Write down what happened besides."""
        self._add("*  ", words)

    def lines(self) -> list[str]:
        """Return it, with a word about what was left out in its midst."""
        gap = [f"*  … {self._left_out} lines …"] if self._left_out else []
        return [*self._head, *gap, *self._tail]

    def _add(self, who: str, text: str) -> None:
        # A secret is looked for before the line is cut, perhaps in its midst.
        for secret in self._secrets:
            text = without(text[:LOOKED_AT], secret)
        shown = "".join(c if c.isprintable() else " " for c in text[: LINE + 1])
        line = f"{who}{shown[:LINE]}{'…' if len(shown) > LINE else ''}"
        if len(self._head) < HEAD:
            self._head.append(line)
            return
        self._left_out += len(self._tail) == TAIL
        self._tail.append(line)
