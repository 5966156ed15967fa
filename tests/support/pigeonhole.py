"""Dovecot's Sieve (Pigeonhole), which reads mail and decides by rules of its own: our peer.

`missing()` says what is missing, for tests to skip with.
"""

import os
import re
import shutil
import subprocess
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from postroom_contract.documents import RuleDocument
from postroom_contract.rules import Condition, Group, Test

PACKAGES = "dovecot-sieve dovecot-imapd"
_CONFIGURATION = """\
mail_location = maildir:{root}/Maildir
mail_home = {root}
log_path = /dev/stderr
ssl = no
plugin {{
  sieve_max_script_size = 0
  sieve_max_actions = 0
  sieve_max_cpu_time = 600s
}}
"""
_REQUIRE = 'require ["body", "regex", "imap4flags", "relational", "comparator-i;ascii-numeric"];\n'
_FLAG = re.compile(r"\br(\d+)\b")
_MATCH = {"contains": ":contains", "equals": ":is", "wildcard": ":matches", "regex": ":regex"}
_PARTS = {"whole": ":all", "address": ":all", "domain": ":domain", "local": ":localpart"}
_ADDRESSES = {"from": "from", "to": "to", "cc": "cc", "reply_to": "reply-to", "sender": "sender"}


def missing() -> str | None:
    """What to install first."""
    found = all(shutil.which(one) for one in ("sieve-filter", "sieve-test", "sievec"))
    return None if found else f"apt-get install --no-install-recommends {PACKAGES}"


def script(rules: Iterable[RuleDocument]) -> str:
    """Write rules in Sieve; the nth of them flags a mail with `r<n>`, and does nothing else."""
    lines = (f'if {_condition(one.when)} {{ addflag "r{n}"; }}\n' for n, one in enumerate(rules))
    return _REQUIRE + "".join(lines) + "keep;\n"


def _condition(when: Condition) -> str:
    if isinstance(when, Group):
        parts = ", ".join(map(_condition, when.of))
        return {"all": f"allof({parts})", "any": f"anyof({parts})"}.get(
            when.mode, f"not anyof({parts})"
        )
    return f"not {_test(when)}" if when.negate else _test(when)


def _test(test: Test) -> str:
    if test.field == "size":
        return f"size {':over' if test.operator == 'greater' else ':under'} {test.values[0]}"
    if test.operator == "exists":
        return f"exists {_quoted(test.header or test.field)}"
    values = f"[{', '.join(map(_quoted, test.values))}]"
    match = _MATCH[test.operator]
    if test.field == "body":
        return f"body :text {match} {values}"
    if (name := _ADDRESSES.get(test.field)) is not None:
        return f"address {_PARTS[test.part]} {match} {_quoted(name)} {values}"
    return f"header {match} {_quoted(test.header or test.field)} {values}"


def _quoted(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'


class Pigeonhole:
    """A directory with a Maildir, in which scripts are run; nothing is done to its mails."""

    def __init__(self, root: Path) -> None:
        self.root = root
        # Dovecot refuses to read mail as root.
        self._user = "nobody" if os.geteuid() == 0 else None
        for folder in ("cur", "new", "tmp"):
            (root / "Maildir" / folder).mkdir(parents=True)
        (root / "conf").write_text(_CONFIGURATION.format(root=root))

    def put(self, mails: Sequence[bytes]) -> None:
        """Put mails into the Maildir, in this order."""
        for number, raw in enumerate(mails):
            path = self.root / "Maildir" / "cur" / f"{10**9 + number}.M{number}P1.bench:2,"
            path.write_bytes(raw)

    def write(self, name: str, text: str) -> Path:
        """Write a script and compile it."""
        path = self.root / f"{name}.sieve"
        path.write_text(text)
        self._give()
        self._run("sievec", str(path))
        return path

    def forget(self) -> None:
        """Remove what Dovecot knows of the mails by now."""
        for path in (self.root / "Maildir").glob("dovecot*"):
            path.unlink()

    def filter(self, path: Path) -> list[frozenset[int]]:
        """Run a script over the Maildir; return the rules that matched, mail by mail."""
        return list(_matched(self._run("sieve-filter", str(path), "INBOX")))

    def test(self, path: Path, mail: bytes) -> frozenset[int]:
        """Run a script over one mail; return the rules that matched."""
        file = self.root / "mail"
        file.write_bytes(mail)
        (found,) = _matched(self._run("sieve-test", str(path), str(file)))
        return found

    def _give(self) -> None:
        if self._user:
            for one in (self.root, *self.root.rglob("*")):
                shutil.chown(one, self._user)

    def _run(self, program: str, *arguments: str) -> str:
        done = subprocess.run(
            [program, "-c", str(self.root / "conf"), *arguments],
            env={"PATH": os.environ["PATH"], "USER": self._user or "me", "HOME": str(self.root)},
            user=self._user,
            group="nogroup" if self._user else None,
            extra_groups=[] if self._user else None,
            capture_output=True,
            timeout=600,
        )
        if done.returncode:
            raise RuntimeError(f"{program}: {done.stderr.decode('utf-8', 'replace')}")
        return done.stdout.decode("utf-8", "replace")


def _matched(said: str) -> Iterator[frozenset[int]]:
    """Read the flags that each mail would get."""
    for one in said.split("Performed actions:")[1:]:
        line = one.partition("add IMAP flags:")[2].partition("\n")[0]
        yield frozenset(map(int, _FLAG.findall(line)))
