#!/usr/bin/env bash
# The page's tests need a Chromium; install Debian's where none is found.
set -euo pipefail
for name in chromium google-chrome; do command -v "$name" >/dev/null && exit 0; done
run=""
[ "$(id -u)" -eq 0 ] || run="sudo -n"
echo "[setup] installing Chromium for the page's tests" >&2
if command -v apt-get >/dev/null && $run apt-get update -qq && DEBIAN_FRONTEND=noninteractive $run apt-get install -y -qq --no-install-recommends chromium >/dev/null; then
  exit 0
fi
# Ubuntu has Chromium as a snap only; Playwright brings one of its own.
if .venv/bin/playwright install --with-deps chromium; then exit 0; fi
echo "labelmill setup: the page's tests need Chromium: install it ('apt-get install chromium') and run this again." >&2
exit 1
