#!/usr/bin/env bash
# Write requirements.lock, or with --check say whether it is what the pyproject.toml files ask for.
# The lock of now is the starting point: only what an input changed changes.
set -euo pipefail
cd "$(dirname "$0")/../.."

scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
[ ! -f requirements.lock ] || cp requirements.lock "$scratch/requirements.lock"

projects=(deploy/local/pyproject.toml services/*/pyproject.toml proto/*/pyproject.toml pyproject.toml)
own=()
for project in "${projects[@]}"; do
  name=$(sed -n 's/^name = "\(.*\)"/\1/p' "$project" | head -n 1)
  own+=(--no-emit-package "$name")
done

.venv/bin/uv pip compile --quiet --universal --generate-hashes --python-version 3.11 \
  --no-emit-index-url --no-emit-find-links --no-annotate --no-header \
  "${own[@]}" "${projects[@]}" --group dev -o "$scratch/requirements.lock"

if [ "${1:-}" != --check ]; then
  cp "$scratch/requirements.lock" requirements.lock
elif ! diff -u requirements.lock "$scratch/requirements.lock" | head -n 40; then
  echo "requirements.lock is not what the pyproject.toml files ask for → make lock" >&2
  exit 1
fi
