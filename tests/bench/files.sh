#!/usr/bin/env bash
# What `exclude` and a writable mount cost: 20,000 small files opened, read and closed, one after the other.
#
#   tests/bench/files.sh [ROUNDS]      needs a release build and python3; MCP_SANDBOX names another program
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."

sandbox=${MCP_SANDBOX:-$PWD/target/release/mcp-sandbox}
folder=$(mktemp -d /var/tmp/mcp-sandbox-files.XXXXXX)
trap 'rm -rf "$folder"' EXIT
mkdir "$folder/tree"
for part in {0..99}; do mkdir "$folder/tree/$part"; done
for file in {0..19999}; do echo "$file" >"$folder/tree/$((file % 100))/f$file"; done

profile() { printf 'version = 1\n[filesystem]\nmounts = [{ path = "%s", at = "/t", %s }]\n' "$folder/tree" "$2" >"$folder/$1.toml"; }
profile plain 'access = "read"'
profile exclude 'access = "read", exclude = [".env", "*.key", "/secrets/"]'
profile write 'access = "write"'

read_all='
import os, sys, time
paths = [f"{sys.argv[1]}/{n % 100}/f{n}" for n in range(20000)]
def once():
    for path in paths:
        fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC); os.read(fd, 256); os.close(fd)
once()
start = time.perf_counter(); once()
print(f"{(time.perf_counter() - start) / len(paths) * 1e6:.2f}")
'
for _ in $(seq "${1:-3}"); do
    printf 'bare %s' "$(python3 -c "$read_all" "$folder/tree")"
    for name in plain write exclude; do
        printf ' | %s %s' "$name" "$("$sandbox" run -q -p "$folder/$name.toml" -- python3 -c "$read_all" /t)"
    done
    echo '  (microseconds for open, read, close)'
done
