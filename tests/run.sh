#!/usr/bin/env bash
# All tests, from a fresh clone on a machine with nothing but Rust: unit and end-to-end tests, the escape
# suite, real servers driven by the official clients, and real clients that start boxed servers. As root everything runs twice: once as root and
# once as an ordinary user.
#
#   tests/run.sh             everything
#   tests/run.sh --no-servers    leave out the real servers (they need Node.js, Python and their registries), and clients
#   tests/run.sh --no-clients    leave out the real clients alone (about 1 GB)
#   tests/run.sh --vm        only the virtual machine: limits and escapes under systemd, on Debian's cloud kernels
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

servers=yes
clients=yes
machine=no
for argument in "$@"; do
    case $argument in
    --no-servers) servers=no ;;
    --no-clients) clients=no ;;
    --vm) machine=yes ;;
    *) echo "error: unknown argument \"$argument\"" >&2; echo "  hint: --no-servers, --no-clients or --vm" >&2; exit 2 ;;
    esac
done

as_root() {
    if [[ $EUID -eq 0 ]]; then "$@"; else sudo "$@"; fi
}

# A C compiler to link with, what the tests run in the box, and clients of all kinds for the network that they make.
install_what_is_missing() {
    local missing=()
    command -v cc >/dev/null || missing+=(gcc libc6-dev)
    command -v python3 >/dev/null || missing+=(python3)
    command -v git >/dev/null || missing+=(git)
    command -v node >/dev/null || missing+=(nodejs)
    command -v curl >/dev/null || missing+=(curl)
    command -v openssl >/dev/null || missing+=(openssl)
    command -v setpriv >/dev/null || missing+=(util-linux)
    command -v ip >/dev/null || missing+=(iproute2)
    command -v strace >/dev/null || missing+=(strace)
    command -v ssh >/dev/null || missing+=(openssh-client)
    command -v psql >/dev/null || missing+=(postgresql-client)
    command -v javac >/dev/null || missing+=(default-jdk-headless)
    command -v go >/dev/null || missing+=(golang-go)
    command -v musl-gcc >/dev/null || missing+=(musl-tools)
    command -v rg >/dev/null || missing+=(ripgrep)
    command -v npm >/dev/null || missing+=(npm)
    # Of the Python that the tests find, whatever else is on our PATH, and of the system's.
    PATH=/usr/local/bin:/usr/bin:/bin python3 -m pip --version >/dev/null 2>&1 || missing+=(python3-pip)
    /usr/bin/python3 -m pip --version >/dev/null 2>&1 || missing+=(python3-pip)
    /usr/bin/python3 -c 'import ensurepip, venv' 2>/dev/null || missing+=(python3-venv)
    [[ ${#missing[@]} -gt 0 ]] || return 0
    echo "installing: ${missing[*]}" >&2
    as_root env DEBIAN_FRONTEND=noninteractive apt-get -qq update
    as_root env DEBIAN_FRONTEND=noninteractive apt-get -qq install --no-install-recommends --yes "${missing[@]}" >/dev/null
}

install_what_is_missing
[[ $machine == no ]] || exec tests/vm/run
cargo build --workspace --locked
cargo test --workspace --locked

[[ $servers == yes ]] || exit 0
# The program that is built already, with its assertions; another build of it takes minutes.
export MCP_SANDBOX=${MCP_SANDBOX:-$PWD/target/debug/mcp-sandbox}
[[ $clients == no ]] || tests/clients/run.sh
if [[ $EUID -ne 0 ]]; then
    exec tests/servers/run.py
fi

# A checkout below a private folder, such as root's home, is out of an ordinary user's reach: test a copy.
place=tests/servers
if ! setpriv --reuid=65534 --regid=65534 --clear-groups test -x "$MCP_SANDBOX"; then
    copy=$(mktemp -d /var/tmp/mcp-sandbox-tests.XXXXXX)
    trap 'rm -rf "$copy"' EXIT
    tar -C tests -cf - --exclude=.venv --exclude=node_modules servers | tar -C "$copy" -xf -
    install -m 755 "$MCP_SANDBOX" "$copy/mcp-sandbox"
    chmod -R a+rX "$copy"
    place=$copy/servers
    export MCP_SANDBOX=$copy/mcp-sandbox
fi
"$place/run.py"
"$place/run.py" --as-user nobody
