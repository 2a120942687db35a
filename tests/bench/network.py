"""The measurement of one allowed host: a peer in a network namespace over a veth pair, reached by name.

Ratios are those of single rounds, bare and boxed one after the other, as in the other measurements.
"""

import contextlib
import ctypes
import os
import shutil
import subprocess
import sys
import tempfile
import time

from commands import EVERYTHING, PROBE, bare, environment, ours, ours_with_hosts
from measures import Row, compare, descendants, first_answers, interleaved, ratios, spawn_and_wait
from session import Session

NAME = "peer.test"
# Public by class: an internal address would need a rule of its own.
PEER, MACHINE = "11.11.1.1", "11.11.1.2"
CONNECT, REQUEST, DOWNLOAD, WEB = 7000, 7001, 7002, 7003
PORTS = f"{NAME}:{CONNECT}-{WEB}"
CONNECTIONS = 2000

CLONE_NEWNS, CLONE_NEWNET = 0x20000, 0x40000000

# The same as the probe does, for whoever wonders what an interpreter sees of it.
PYTHON = """
import socket, sys, threading, time
name, port, threads, count, asks = sys.argv[1], *map(int, sys.argv[2:])
to = socket.getaddrinfo(name, port, socket.AF_INET, socket.SOCK_STREAM)[0][4]
def work():
    for _ in range(count // threads):
        with socket.create_connection(to) as connection:
            if asks:
                connection.sendall(b"GET / HTTP/1.1\\r\\nHost: peer\\r\\nConnection: close\\r\\n\\r\\n")
                while connection.recv(4096):
                    pass
start = time.perf_counter()
running = [threading.Thread(target=work) for _ in range(threads)]
for thread in running:
    thread.start()
for thread in running:
    thread.join()
print(count // threads * threads / (time.perf_counter() - start))
"""

# A real web server, the peer of the figures that other sandboxes are known by.
NGINX = shutil.which("nginx") or shutil.which("nginx", path="/usr/sbin")
NGINX_CONF = f"""
worker_processes 2; daemon off; pid {{folder}}/pid; error_log /dev/null;
events {{{{ worker_connections 4096; }}}}
http {{{{ access_log off; server {{{{ listen {WEB}; location / {{{{ return 200 ok; }}}} }}}} }}}}
"""


@contextlib.contextmanager
def away_from_the_machine():
    """Moves this process into namespaces of its own, with the peer behind a veth pair."""
    unshare(CLONE_NEWNET | CLONE_NEWNS)
    run("mount", "--make-rprivate", "/")
    peer = subprocess.Popen(
        [PROBE, "serve-load", str(CONNECT)],
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        preexec_fn=lambda: unshare(CLONE_NEWNET),
    )
    run("ip", "link", "set", "lo", "up")
    run("ip", "link", "add", "wan", "type", "veth", "peer", "name", "eth0", "netns", str(peer.pid))
    there = ["nsenter", f"--net=/proc/{peer.pid}/ns/net"]
    for where, device, address in (([], "wan", MACHINE), (there, "eth0", PEER)):
        run(*where, "ip", "addr", "add", f"{address}/24", "dev", device)
        run(*where, "ip", "link", "set", device, "up")
        # Tens of thousands of connections in a minute would leave no port free.
        run(*where, "sh", "-c", "echo 0 > /proc/sys/net/ipv4/tcp_max_tw_buckets")
    with tempfile.NamedTemporaryFile("w") as hosts:
        hosts.write(f"127.0.0.1 localhost\n{PEER} {NAME}\n")
        hosts.flush()
        os.chmod(hosts.name, 0o644)
        run("mount", "--bind", hosts.name, "/etc/hosts")
    with peer, serve_web(there) if NGINX else contextlib.nullcontext():
        yield
        # It ends with its stdin.
        peer.stdin.close()


def unshare(flags: int) -> None:
    """unshare(2), which Python has from 3.12 on."""
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.unshare(flags) != 0:
        raise OSError(ctypes.get_errno(), "cannot make namespaces")


def run(*command: str) -> None:
    subprocess.run(command, check=True)


def measure(rounds: int | None, pss) -> list[Row]:
    rounds = rounds or 10
    return [*speed(rounds), *launch(4 * rounds), *resident(max(5, rounds // 2), pss), *first_answer(2 * rounds)]


@contextlib.contextmanager
def serve_web(there: list[str]):
    """nginx in the peer's network."""
    with tempfile.TemporaryDirectory() as folder:
        conf = os.path.join(folder, "conf")
        with open(conf, "w") as file:
            file.write(NGINX_CONF.format(folder=folder))
        web = subprocess.Popen([*there, NGINX, "-c", conf], stderr=subprocess.DEVNULL)
        time.sleep(0.5)
        try:
            yield
        finally:
            web.terminate()
            web.wait()


def speed(rounds: int) -> list[Row]:
    rows = [rate("1 GiB download", "MB/s", [PROBE, "download", f"{NAME}:{DOWNLOAD}"], rounds, 0.97)]
    for threads in (1, 8):
        by = "one after another" if threads == 1 else f"{threads} threads"
        for what, port, asks in (("connections", CONNECT, 0), ("requests", REQUEST, 1)):
            words = [str(threads), str(CONNECTIONS)]
            probe = [PROBE, what, f"{NAME}:{port}", *words]
            python = ["/usr/bin/python3", "-c", PYTHON, NAME, str(port), *words, str(asks)]
            rows.append(rate(f"{what}, {by}", "1/s", probe, rounds, None))
            rows.append(rate(f"{what}, {by}, Python", "1/s", python, rounds, None))
        if NGINX:
            # The way other sandboxes were measured.
            python = ["/usr/bin/python3", "-c", PYTHON, NAME, str(WEB), *words, "1"]
            rows.append(rate(f"requests to nginx, {by}, Python", "1/s", python, rounds, 0.6))
        else:
            print("nginx is not installed: requests to it are not measured", file=sys.stderr)
    return rows


def rate(measure: str, unit: str, command: list[str], rounds: int, low: float | None) -> Row:
    """A figure that the command prints itself, so that its start is not in it."""
    commands = {"bare": bare(command), "ours": ours_with_hosts(command, PORTS)}

    def sample(name: str) -> float:
        done = subprocess.run(commands[name], env=environment(), capture_output=True, text=True)
        if done.returncode != 0:
            raise RuntimeError(f"{name}: {measure}: {done.stdout}{done.stderr}")
        return float(done.stdout.split()[-1])

    interleaved(1, list(commands), sample)
    taken = interleaved(rounds, list(commands), sample)
    return compare(measure, unit, taken, "ours/bare", ratios(taken["ours"], taken["bare"]), low=low)


def launch(rounds: int) -> list[Row]:
    """Spawn to exit of /bin/true, with a host beside our own without one."""
    true = ["/bin/true"]
    taken = spawn_and_wait({"without": ours(true), "with": ours_with_hosts(true, PORTS)}, rounds)
    label = "with/without"
    values = {"ours": taken["with"]}
    return [compare("launch of /bin/true, one host", "ms", values, label, ratios(taken["with"], taken["without"]), high=1.3)]


def resident(rounds: int, pss) -> list[Row]:
    """As without hosts, after the server has connected once."""
    connect = f"import socket, sys; socket.create_connection(({NAME!r}, {CONNECT})); print(flush=True); sys.stdin.read()"
    command = ours_with_hosts(["/usr/bin/python3", "-c", connect], PORTS)

    def sample(_name: str) -> float:
        with Session(command) as session:
            session.line()
            tree = descendants(session.process.pid)
            return sum(pss(pid) for pid, program in tree.items() if not program.startswith("python3")) * 1024 / 1e6

    kept = interleaved(rounds, ["ours"], sample)
    return [compare("resident beside the server, one host", "MB", kept, "ours", kept["ours"], high=4.0)]


def first_answer(rounds: int) -> list[Row]:
    """Spawn of server-everything to its answer to tools/list."""
    commands = {"bare": bare([EVERYTHING]), "ours": ours_with_hosts([EVERYTHING], PORTS)}
    taken = first_answers(commands, rounds)
    return [compare("first answer, one host", "ms", taken, "ours/bare", ratios(taken["ours"], taken["bare"]), high=1.08)]
