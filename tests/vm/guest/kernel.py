"""What the sandbox says where the kernel forbids something, and that it works where the same thing is allowed."""

import json
import os
import socket
import subprocess
import threading
from pathlib import Path

import programs


def modules() -> str:
    """The security modules in use."""
    subprocess.run(["mount", "-t", "securityfs", "none", "/sys/kernel/security"], check=False, stderr=subprocess.DEVNULL)
    return Path("/sys/kernel/security/lsm").read_text()


def sandbox(*words: str, user: bool = True) -> subprocess.CompletedProcess:
    become = ["setpriv", "--reuid=1000", "--regid=1000", "--clear-groups", "--"] if user else []
    home = "/home/tester" if user else "/root"
    return subprocess.run(
        [*become, programs.manifest()["sandbox"], *words],
        env={"PATH": "/usr/bin:/bin", "HOME": home},
        cwd="/tmp",
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        timeout=60,
        check=False,
    )


def setting(name: str, value: int) -> None:
    Path("/proc/sys/kernel", name).write_text(f"{value}\n")


def works() -> None:
    """Doctor and run agree that all is well."""
    doctor = sandbox("doctor")
    assert doctor.returncode == 0, f"doctor: {doctor}"
    runs()


def runs(user: bool = True) -> None:
    run = sandbox("run", "--", "echo", "in the box", user=user)
    assert (run.returncode, run.stdout) == (0, "in the box\n"), f"run: {run}"


def refuses(why: str, cure: str, hint: str) -> None:
    """Doctor and run both say why, and nothing runs; doctor has the cure, and run a hint."""
    doctor, run = sandbox("doctor"), sandbox("run", "--", "echo", "in the box")
    assert doctor.returncode != 0, f"doctor: {doctor}"
    assert run.returncode == 125 and run.stdout == "", f"run: {run}"
    for text in (why, cure):
        assert text in doctor.stdout + doctor.stderr, f"{text!r} in {doctor}"
    for text in (why, hint):
        assert text in run.stderr, f"{text!r} in {run}"


def user_namespaces() -> str:
    """Debian's switch: only root may make them."""
    works()
    setting("unprivileged_userns_clone", 0)
    try:
        cure = "sysctl -w kernel.unprivileged_userns_clone=1"
        refuses("kernel.unprivileged_userns_clone is 0", cure, "mcp-sandbox doctor")
        runs(user=False)
    finally:
        setting("unprivileged_userns_clone", 1)
    works()
    return ""


def no_landlock() -> str:
    """Without it in the list of modules nothing runs; the control is every other boot."""
    assert "landlock" not in modules(), modules()
    refuses("has no Landlock", "add landlock to the list after lsm=", 'add "landlock" to the lsm= list')
    return ""


ADDRESS, PORT = "11.11.1.1", 7000
CONNECT = f"import socket; print(socket.create_connection(('{ADDRESS}', {PORT}), 20).recv(9).decode(), end='')"
HOSTS = "hosts: connections made by the broker"


def allowed() -> tuple[str, subprocess.CompletedProcess]:
    """What doctor says of the broker, and a run that connects through it."""
    abilities = json.loads(sandbox("doctor", "--json").stdout)["abilities"]
    [state] = [one["state"] for one in abilities if one["ability"] == HOSTS]
    return state, sandbox("run", "--allow", f"{ADDRESS}:{PORT}", "--", "python3", "-c", CONNECT)


def yama() -> str:
    """The broker reads the memory of the server, which Yama forbids step by step; the last step is for good."""
    subprocess.run(["ip", "address", "add", f"{ADDRESS}/32", "dev", "lo"], check=True)
    with socket.create_server((ADDRESS, PORT)) as listener:
        threading.Thread(target=greet, args=[listener], daemon=True).start()
        for scope in (0, 1, 2):
            setting("yama/ptrace_scope", scope)
            state, run = allowed()
            assert (state, run.returncode, run.stdout) == ("ok", 0, "welcome\n"), f"scope {scope}: doctor {state}, {run}"
        setting("yama/ptrace_scope", 3)
        state, run = allowed()
    assert state != "ok", f"doctor: {state}"
    assert (run.returncode, run.stdout) == (125, "") and "hint: " in run.stderr, f"{run}"
    runs()
    return f"; scope 3: {run.stderr.strip()!r}"


def greet(listener: socket.socket) -> None:
    while True:
        connection, _ = listener.accept()
        connection.sendall(b"welcome\n")
        connection.close()


def landlock_abi() -> str:
    """The status line names what the kernel has."""
    release = tuple(int(number) for number in os.uname().release.split(".")[:2])
    expected = {(6, 1): 2, (6, 12): 6}[release]
    run = sandbox("run", "--", "true")
    assert run.returncode == 0 and f"Landlock {expected}," in run.stderr, f"Landlock {expected} in {run}"
    return f", Landlock {expected}"


PARTS = {"landlock": landlock_abi, "no-landlock": no_landlock, "user-namespaces": user_namespaces, "yama": yama}
