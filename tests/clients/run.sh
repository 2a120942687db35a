#!/usr/bin/env bash
# Installs the pinned clients, unless they are those of the last run, and lets them start servers that `wrap` boxed.
# Arguments go to pytest. $MCP_SANDBOX is the program under test, by default target/release/mcp-sandbox of this checkout.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"

../servers/setup.sh   # pytest
key="$(cat package.json package-lock.json | sha256sum | cut -d' ' -f1) node $(node --version)"
if [[ ! -f node_modules/.installed-from || $(<node_modules/.installed-from) != "$key" ]]; then
    # The Inspector wants a newer Node than the system's, and gets it from node_modules: no warning is needed.
    npm ci --ignore-scripts --no-audit --no-fund --loglevel=error
    echo "$key" >node_modules/.installed-from
fi
export PYTHONDONTWRITEBYTECODE=1
exec ../servers/.venv/bin/python -m pytest -q --rootdir=. -c ../servers/pytest.ini . "$@"
