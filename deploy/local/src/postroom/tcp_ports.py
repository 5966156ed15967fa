"""Which TCP ports are free, asked of the kernel before anything is started.

Ports we choose lie below the kernel's ephemeral range, so that no outgoing connection of the
machine can take one of them while its server is being restarted. POSTROOM_PORTS=first-last says
which they may be; two programs that choose at the same moment need ranges of their own.
"""

import errno
import os
import random
import socket
from collections.abc import Iterable, Mapping

from postroom.errors import OperatorError

FIRST_CHOSEN = 20_000
LAST_CHOSEN = 29_999
ATTEMPTS = 500
LARGEST_PORT = 65_535
FIRST_UNPRIVILEGED = 1_024


def refusal(host: str, port: int) -> OSError | None:
    """Why nothing could listen on `host:port` at this moment; None when something could."""
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        with socket.socket(family, kind, protocol) as candidate:
            # As servers do: a port in TIME_WAIT is free, one that somebody listens on is not.
            candidate.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            candidate.bind(address)
            candidate.listen(1)
    except OSError as error:
        return error
    return None


def require_free(host: str, port: int, *, purpose: str, setting: str) -> None:
    """Raise OperatorError, naming the setting to change, unless `host:port` is free."""
    error = refusal(host, port)
    if error is None:
        return
    where = f"{host}:{port}"
    if error.errno == errno.EADDRINUSE:
        raise OperatorError(
            f"port {port} for {purpose} is taken by another program on {host}",
            f"set {setting} to a free port, or see who listens: ss -ltnp 'sport = :{port}'",
        )
    if error.errno == errno.EACCES:
        raise OperatorError(
            f"{purpose} may not listen on {where}: ports below {FIRST_UNPRIVILEGED} need rights",
            f"set {setting} to a port from {FIRST_UNPRIVILEGED} to {LARGEST_PORT}",
        )
    raise OperatorError(
        f"{purpose} cannot listen on {where}: {error.strerror or error}",
        f"set {setting} and the host beside it to an address of this machine",
    )


def chosen_from(environ: Mapping[str, str] = os.environ) -> tuple[int, int]:
    """The first and last port that may be chosen; OperatorError when POSTROOM_PORTS is no range."""
    text = environ.get("POSTROOM_PORTS")
    if not text:
        return FIRST_CHOSEN, LAST_CHOSEN
    first, _, last = text.partition("-")
    if first.isdecimal() and last.isdecimal() and 0 < int(first) <= int(last) <= LARGEST_PORT:
        return int(first), int(last)
    raise OperatorError(
        f"POSTROOM_PORTS={text!r} is no range of ports",
        f"write it like {FIRST_CHOSEN}-{LAST_CHOSEN}",
    )


def choose(
    preferred: int | None = None, *, host: str = "127.0.0.1", besides: Iterable[int] = ()
) -> int:
    """`preferred` when it is free, else any free port that is not in `besides`."""
    avoid = set(besides)
    if preferred and preferred not in avoid and refusal(host, preferred) is None:
        return preferred
    draw = random.SystemRandom()
    first, last = chosen_from()
    for _ in range(ATTEMPTS):
        port = draw.randint(first, last)
        if port not in avoid and refusal(host, port) is None:
            return port
    raise OperatorError(
        f"no free port between {first} and {last} on {host}",
        "stop some of the programs that listen there, or set POSTROOM_PORTS to another range",
    )
