#!/usr/bin/env bash
# What `exclude` and a writable mount cost, as ratios to the same program without the box, each pair in turn: 20,000 small
# files walked and read, `git status` among them, and Node loading three large packages. The walk is also measured with a
# broker that judges nothing and without a box (floor.c): what no broker can save.
#
#   tests/bench/files.sh [ROUNDS]      needs a release build, cc, python3, git, node and npm; MCP_SANDBOX names another program
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."

sandbox=${MCP_SANDBOX:-$PWD/target/release/mcp-sandbox}
rounds=${1:-7}
folder=$(mktemp -d /var/tmp/mcp-sandbox-files.XXXXXX)
trap 'rm -rf "$folder"' EXIT

cc -O2 -o "$folder/floor" tests/bench/floor.c
mkdir "$folder/tree" "$folder/node" "$folder/profiles"
python3 - "$folder/tree" <<'PYTHON'
import os, sys
for part in range(100):
    os.mkdir(f"{sys.argv[1]}/{part}")
for file in range(20000):
    with open(f"{sys.argv[1]}/{file % 100}/f{file}", "w") as small:
        small.write(f"{file}\n")
PYTHON
git -C "$folder/tree" init -q
git -C "$folder/tree" add .
git -C "$folder/tree" -c user.name=a -c user.email=a@b.c commit -qm all
(cd "$folder/node" && npm install --silent --no-audit --no-fund webpack@5 typescript@5 eslint@9)

cat >"$folder/walk.py" <<'PYTHON'
import os, sys, time
def once():
    for base, folders, files in os.walk(sys.argv[1]):
        if ".git" in folders:
            folders.remove(".git")
        for file in files:
            path = os.path.join(base, file)
            os.stat(path)
            with open(path, "rb", buffering=0) as small:
                small.read(256)
once()
start = time.perf_counter(); once()
print(time.perf_counter() - start)
PYTHON
cat >"$folder/status.py" <<'PYTHON'
import subprocess, sys, time
def once():
    subprocess.run(["git", "-C", sys.argv[1], "status", "--short"], check=True, stdout=subprocess.DEVNULL)
once()
start = time.perf_counter(); once()
print(time.perf_counter() - start)
PYTHON
cat >"$folder/node/load.js" <<'NODE'
const start = process.hrtime.bigint()
for (const name of ["webpack", "typescript", "eslint"]) require(name)
console.log(Number(process.hrtime.bigint() - start) / 1e9)
NODE

# NAME ACCESS [EXCLUDE]
profile() {
    {
        printf 'version = 1\n[filesystem]\nmounts = [\n'
        for part in tree node walk.py status.py; do
            [[ -f $folder/$part ]] && printf '    { path = "%s", access = "read" },\n' "$folder/$part" && continue
            printf '    { path = "%s", access = "%s"%s },\n' "$folder/$part" "$2" "${3:-}"
        done
        printf ']\n'
    } >"$folder/profiles/$1.toml"
}
profile plain read
profile write write
profile exclude read ', exclude = [".env", "*.key", "/secrets/"]'

compare() {
    local what=$1 round name
    shift
    for ((round = 0; round < rounds; round++)); do
        printf '%s bare %s\n' "$what" "$("$@")"
        [[ $what != walk ]] || printf '%s floor %s\n' "$what" "$("$folder/floor" "$@")"
        for name in plain write exclude; do
            printf '%s %s %s\n' "$what" "$name" "$("$sandbox" run -q -p "$folder/profiles/$name.toml" -- "$@")"
        done
    done
}
{
    compare walk python3 "$folder/walk.py" "$folder/tree"
    compare status python3 "$folder/status.py" "$folder/tree"
    compare node node "$folder/node/load.js"
} | python3 -c '
import collections, statistics, sys
taken = collections.defaultdict(list)
for line in sys.stdin:
    what, name, seconds = line.split()
    taken[what, name].append(float(seconds))
for (what, name), seconds in taken.items():
    ratios = [one / bare for one, bare in zip(seconds, taken[what, "bare"])]
    print(f"{what:8} {name:8} median {statistics.median(seconds) * 1000:7.1f} ms  {statistics.median(ratios):5.2f} x bare")
'
