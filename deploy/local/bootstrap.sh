#!/usr/bin/env bash
# Make .venv hold exactly requirements.lock and, on top of it, every member of the workspace.
# Called by make when the lock or a pyproject.toml is newer than the last time; needs Python 3.11+.
set -euo pipefail
cd "$(dirname "$0")/../.."

python=${PYTHON:-python3}
venv=.venv
say() { printf '%s\n' "$*" >&2; }

if ! command -v "$python" >/dev/null; then
  say "Postroom needs Python 3.11 or newer and found no $python."
  say "  → Debian, Ubuntu: apt install python3 python3-venv; or name another with make PYTHON=…"
  exit 1
fi
if ! "$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))'; then
  say "Postroom needs Python 3.11 or newer; $python is $("$python" -V 2>&1)."
  say "  → install a newer one and name it: make PYTHON=python3.13 up"
  exit 1
fi
if ! "$python" -c 'import ensurepip, venv' 2>/dev/null; then
  package=$("$python" -c 'import sys; print("python%d.%d-venv" % sys.version_info[:2])')
  say "$python cannot make virtual environments: ensurepip is missing."
  say "  → Debian, Ubuntu: apt install $package"
  exit 1
fi

if ! "$venv/bin/python" -c '' 2>/dev/null; then
  say "making $venv with $("$python" -V 2>&1)"
  rm -rf "$venv"
  "$python" -m venv "$venv"
fi

scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
# uv itself comes from the lock too, with its hashes: the entry and its indented lines.
awk '/^[^ ]/ { wanted = /^uv==/ } wanted' requirements.lock >"$scratch/uv.txt"
wanted=$(sed -n 's/^uv==\([^ ]*\).*/\1/p' requirements.lock)
if [ "$("$venv/bin/uv" --version 2>/dev/null | cut -d' ' -f2)" != "$wanted" ]; then
  say "installing uv $wanted"
  "$venv/bin/python" -m pip install --quiet --disable-pip-version-check --no-deps \
    --require-hashes -r "$scratch/uv.txt"
fi

# uv does not read pip's configuration; where pip is told to use a mirror, uv shall use it too.
from_pip() { "$venv/bin/python" -m pip config get "$1" 2>/dev/null || true; }
if [ -z "${UV_DEFAULT_INDEX:-}${UV_INDEX:-}${UV_FIND_LINKS:-}" ]; then
  index=${PIP_INDEX_URL:-$(from_pip global.index-url)}
  extra=${PIP_EXTRA_INDEX_URL:-$(from_pip global.extra-index-url)}
  links=${PIP_FIND_LINKS:-$(from_pip global.find-links)}
  [ -z "$index" ] || export UV_DEFAULT_INDEX="$index"
  [ -z "$extra" ] || export UV_INDEX="$extra"
  [ -z "$links" ] || export UV_FIND_LINKS="${links// /,}"
  # As pip does it: all indexes are equal. The hashes of the lock decide what is taken.
  export UV_INDEX_STRATEGY=unsafe-best-match
fi

export VIRTUAL_ENV=$PWD/$venv UV_NO_CONFIG=1
members=()
for project in proto/*/ services/*/ deploy/local/; do
  [ -f "$project/pyproject.toml" ] && members+=(--editable "./${project%/}")
done
say "installing what requirements.lock names"
"$venv/bin/uv" pip sync --quiet --require-hashes requirements.lock
"$venv/bin/uv" pip install --quiet --no-deps --no-build-isolation "${members[@]}"
