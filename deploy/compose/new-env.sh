#!/usr/bin/env bash
# Write .env from .env.example with a fresh secret for every empty value but the LLM's key, which is yours.
set -euo pipefail
cd "$(dirname "$0")/../.."
if [ -e .env ]; then
  echo ".env exists already: remove it first if you want new secrets (PostgreSQL keeps the old password)." >&2
  exit 1
fi
umask 077
secret() { od -An -N24 -tx1 /dev/urandom | tr -d ' \n'; }
while IFS= read -r line; do
  case $line in
    OPENAI_API_KEY=) printf 'OPENAI_API_KEY=%s\n' "${OPENAI_API_KEY:-}" ;;
    OPENAI_BASE_URL=*) printf 'OPENAI_BASE_URL=%s\n' "${OPENAI_BASE_URL:-${line#*=}}" ;;
    [A-Z]*=) printf '%s%s\n' "$line" "$(secret)" ;;
    *) printf '%s\n' "$line" ;;
  esac
done <.env.example >.env
echo "Wrote .env. Sign in as admin with ADMIN_PASSWORD in it."
grep -q '^OPENAI_API_KEY=.' .env || echo "Set OPENAI_API_KEY in .env before you start (any word, if your server wants none)."
