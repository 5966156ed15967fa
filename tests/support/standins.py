"""Stand-ins for the five services: they start, answer health, migrate and stop; nothing more.

They shadow the real packages through PYTHONPATH, so `postroom up` itself is under test, quickly.
A file `<name>.mode` in the directory changes one: `unready` answers 503, `crash` ends at once,
`deaf` ignores SIGTERM, `badmigration` fails in migrate. Its environment is in `<name>.json`.
"""

from pathlib import Path

NAMES = ("fetcher", "smtp", "rules", "api", "forum_bridge")

SOURCE = """
import http.server, json, os, pathlib, signal, sys
NAME = {name!r}
HERE = pathlib.Path({directory!r})
def mode():
    path = HERE / (NAME + ".mode")
    return path.read_text() if path.exists() else ""
if sys.argv[1:] == ["migrate"]:
    (HERE / (NAME + ".migrate.json")).write_text(json.dumps(dict(os.environ)))
    if mode() == "badmigration":
        sys.exit("migration 0001 failed")
    sys.exit(0)
(HERE / (NAME + ".json")).write_text(json.dumps(dict(os.environ)))
print(NAME, "started", flush=True)
if mode() == "crash":
    sys.exit(3)
def stop(*_):
    print(NAME, "drained", flush=True)
    os._exit(0)
signal.signal(signal.SIGTERM, signal.SIG_IGN if mode() == "deaf" else stop)
class Health(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        ready = mode() != "unready"
        body = json.dumps({{"ready": ready, "reasons": [] if ready else ["broker: away"]}}).encode()
        self.send_response(200 if ready else 503)
        self.end_headers()
        self.wfile.write(body)
    def log_message(self, *_):
        pass
http.server.HTTPServer(("127.0.0.1", int(os.environ["POSTROOM_HEALTH_PORT"])), Health).serve_forever()
"""


def write(directory: Path) -> str:
    """Write all five below `directory`; return what PYTHONPATH has to begin with."""
    for name in NAMES:
        package = directory / f"postroom_{name}"
        package.mkdir(parents=True)
        (package / "__init__.py").touch()
        (package / "__main__.py").write_text(SOURCE.format(name=name, directory=str(directory)))
    return str(directory)
