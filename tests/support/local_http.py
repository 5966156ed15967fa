"""A small HTTP server on loopback, in a thread: what a test plays a provider with."""

import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self


class LocalHttp:
    """Subclasses answer `get` and `post`; it serves within `with`."""

    def __init__(self) -> None:
        served = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                served.get(self)

            def do_POST(self) -> None:
                served.post(self)

            def log_message(self, *_: object) -> None:
                """Say nothing."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join(5)

    def get(self, request: BaseHTTPRequestHandler) -> None:
        raise NotImplementedError

    def post(self, request: BaseHTTPRequestHandler) -> None:
        raise NotImplementedError


def answer(request: BaseHTTPRequestHandler, status: int, body: dict[str, Any]) -> None:
    """Answer with JSON."""
    data = json.dumps(body).encode()
    request.send_response(status)
    request.send_header("Content-Type", "application/json")
    request.send_header("Content-Length", str(len(data)))
    request.end_headers()
    request.wfile.write(data)


def redirect(request: BaseHTTPRequestHandler, where: str) -> None:
    """Send the browser elsewhere."""
    request.send_response(302)
    request.send_header("Location", where)
    request.send_header("Content-Length", "0")
    request.end_headers()
