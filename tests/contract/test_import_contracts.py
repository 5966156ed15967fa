"""Each sin against the architecture is planted once in a scratch tree and must be caught."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
CONFIGURATION = ROOT / ".importlinter"
LINT = Path(sys.executable).with_name("lint-imports")
PACKAGES = re.findall(
    r"^    (postroom\w*)$", CONFIGURATION.read_text().split("include_")[0], re.MULTILINE
)

LAYERS = "Nobody imports a service"
COMMAND = "The command starts services"
CONTRACT = "The contract is msgspec"
MAIL = "Mail is bytes and values"
HANDLERS = "Handlers and ports"
DOMAIN = "The domain is pure"
WORKER = "Nothing that answers a request"
FORUM = "The layers of the forum-bridge"

SINS = [
    ("postroom_smtp/sin.py", "import postroom_rules", LAYERS),
    ("postroom_rules/sin.py", "from postroom_forum_bridge import x", LAYERS),
    ("postroom_api/sin.py", "import postroom", LAYERS),
    ("postroom_runtime/sin.py", "import postroom_api", LAYERS),
    ("postroom_runtime/sin.py", "import postroom_mail", LAYERS),
    ("postroom_mail/sin.py", "import postroom_runtime", LAYERS),
    ("postroom_contract/sin.py", "import postroom_mail", LAYERS),
    ("postroom/sin.py", "import postroom_api", COMMAND),
    ("postroom/sin.py", "import postroom_mail", COMMAND),
    ("postroom_contract/sin.py", "import nats", CONTRACT),
    ("postroom_contract/sin.py", "import asyncio", CONTRACT),
    ("postroom_mail/sin.py", "import socket", MAIL),
    ("postroom_mail/sin.py", "import asyncpg", MAIL),
    ("postroom_rules/handlers.py", "from nats.js import api", HANDLERS),
    ("postroom_smtp/handlers/sin.py", "import aiosmtplib", HANDLERS),
    ("postroom_smtp/ports.py", "import socket", HANDLERS),
    ("postroom_fetcher/handlers/sin.py", "import aioimaplib", HANDLERS),
    ("postroom_fetcher/domain/sin.py", "import postroom_runtime.sealing", DOMAIN),
    ("postroom_fetcher/ports.py", "import postroom_fetcher.pop3", "The fetcher's layers"),
    ("postroom_api/ports.py", "import asyncpg", HANDLERS),
    ("postroom_api/handlers.py", "import litestar", HANDLERS),
    ("postroom_rules/domain/sin.py", "import time", DOMAIN),
    ("postroom_rules/domain/sin.py", "import random", DOMAIN),
    ("postroom_rules/domain/sin.py", "import logging", DOMAIN),
    ("postroom_rules/domain/sin.py", "import asyncio", DOMAIN),
    ("postroom_rules/domain/sin.py", "import structlog", DOMAIN),
    ("postroom_rules/domain/sin.py", "import asyncpg", DOMAIN),
    ("postroom_rules/domain/sin.py", "from postroom_runtime import x", DOMAIN),
    # Not even through somebody else.
    ("postroom_rules/domain/sin.py", "import postroom_rules.between", DOMAIN),
    ("postroom_api/http/sin.py", "import postroom_api.postgres.worker", WORKER),
    ("postroom_api/domain/sin.py", "import postroom_api.ports", "The api's layers"),
    ("postroom_api/new.py", "", "The api's layers"),
    ("postroom_rules/ports.py", "import postroom_rules.handlers", "The layers of rules"),
    ("postroom_fetcher/new.py", "", "The fetcher's layers"),
    ("postroom_smtp/ports.py", "import postroom_smtp.config", "The layers of smtp"),
    ("postroom_forum_bridge/domain/sin.py", "import postroom_forum_bridge.ports", FORUM),
]


@pytest.fixture
def tree(tmp_path):
    """A copy of the project's packages, to sin in."""
    shutil.copy(CONFIGURATION, tmp_path / ".importlinter")
    only_python = shutil.ignore_patterns("__pycache__", "static", "templates", "migrations")
    for package in ROOT.glob("*/*/src/postroom*"):
        shutil.copytree(package, tmp_path / package.name, ignore=only_python)
    plant(tmp_path, "postroom_rules/between.py", "import time")
    return tmp_path


def plant(tree, path, source):
    target = tree / path
    before = target.read_text() if target.exists() else ""
    target.write_text(f"{before}\n{source}\n")


def lint(tree):
    return subprocess.run(
        [LINT, "--no-cache"],
        cwd=tree,
        env={**os.environ, "PYTHONPATH": str(tree), "COLUMNS": "200"},
        capture_output=True,
        text=True,
        timeout=60,
    )


def test_every_member_is_under_contract():
    members = {p.name for p in ROOT.glob("*/*/src/postroom*")}
    assert members == set(PACKAGES)


def test_a_tree_without_sin_passes(tree):
    (tree / "postroom_rules" / "between.py").unlink()
    plant(tree, "postroom_rules/handlers.py", "import asyncio, postroom_runtime.bus")
    plant(tree, "postroom_rules/nats.py", "import nats")
    found = lint(tree)
    assert found.returncode == 0, found.stdout


@pytest.mark.parametrize(("path", "source", "contract"), SINS, ids=lambda v: str(v)[-40:])
def test_a_planted_sin_is_caught(tree, path, source, contract):
    plant(tree, path, source)
    found = lint(tree)
    assert found.returncode == 1, found.stdout
    broken = [line for line in found.stdout.splitlines() if line.strip().endswith("BROKEN")]
    assert any(line.strip().startswith(contract) for line in broken), found.stdout
