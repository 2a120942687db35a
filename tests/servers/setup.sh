#!/usr/bin/env bash
# Installs the pinned servers and the official clients: Node packages into node_modules/, Python ones into .venv/; and the
# servers of the built-in profiles the same way below profiles/.
# Does nothing when the locks and the interpreters are those of the last run. On Debian and Ubuntu it installs a
# missing node, python3-venv or git when it runs as root.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"
umask 022   # the tests also run as an ordinary user, who must be able to read what root installs

# The system's Python, not the caller's pyenv or conda: another user must be able to run the venv made from it.
python_for_venv() {
    if [[ -n ${PYTHON:-} ]]; then echo "$PYTHON"
    elif [[ -x /usr/bin/python3 ]]; then echo /usr/bin/python3
    else command -v python3 || echo /usr/bin/python3
    fi
}

has_venv() {
    "$(python_for_venv)" -c 'import ensurepip, venv' 2>/dev/null
}

missing_packages() {
    if ! command -v node >/dev/null; then echo nodejs; fi
    if ! command -v npm >/dev/null; then echo npm; fi
    if ! has_venv; then echo python3 python3-venv; fi
    # What prepares packages of Python where there is no uv.
    if ! command -v uv >/dev/null && ! "$(python_for_venv)" -m pip --version >/dev/null 2>&1; then echo python3-pip; fi
    if ! command -v git >/dev/null; then echo git; fi
    # Ubuntu's package of this name is a snap, which is another program.
    if [[ $EUID -eq 0 && $(. /etc/os-release && echo "$ID") == debian && ! -x /usr/lib/chromium/chromium ]]; then echo chromium; fi
}

install_missing() {
    local packages
    read -r -a packages <<<"$(missing_packages | tr '\n' ' ')"
    [[ ${#packages[@]} -gt 0 ]] || return 0
    if [[ $EUID -ne 0 ]] || ! command -v apt-get >/dev/null; then
        echo "error: the server tests need: ${packages[*]}" >&2
        echo "hint: install them with this system's package manager" >&2
        exit 1
    fi
    export DEBIAN_FRONTEND=noninteractive
    apt-get -qq update
    apt-get -qq install --no-install-recommends --yes "${packages[@]}" >/dev/null
}

# up_to_date DIR KEY: whether DIR was completed by a run with the same KEY.
up_to_date() {
    [[ -f $1/.installed-from && $(<"$1/.installed-from") == "$2" ]]
}

# install_node_servers DIR
install_node_servers() (
    local key
    cd "$1"
    key="$(cat package.json package-lock.json | sha256sum | cut -d' ' -f1) node $(node --version)"
    if up_to_date node_modules "$key"; then return 0; fi
    npm ci --ignore-scripts --no-audit --no-fund --loglevel=error
    echo "$key" >node_modules/.installed-from
)

# install_python_servers DIR
install_python_servers() (
    local python key
    cd "$1"
    python=$(python_for_venv)
    # The folder is part of the key: scripts in a venv carry its absolute path.
    key="$(sha256sum <requirements.txt | cut -d' ' -f1) $("$python" -VV) in $PWD"
    if up_to_date .venv "$key"; then return 0; fi
    rm -rf .venv
    "$python" -m venv .venv
    .venv/bin/pip install --quiet --disable-pip-version-check --require-hashes --no-deps --only-binary :all: -r requirements.txt
    echo "$key" >.venv/.installed-from
)

install_missing
# Both at a time: npm waits for the network and the disk, pip for the processor.
{ install_node_servers .; install_node_servers profiles; } &
node=$!
install_python_servers .
install_python_servers profiles
wait "$node"
