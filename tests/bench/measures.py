"""The four measurements. Each runs its variants interleaved and returns rows for the table.

A ratio is the median of the ratios of single rounds, so that a slow minute of the machine slows both sides of it.
"""

import os
import shutil
import time
from dataclasses import asdict, dataclass
from statistics import median, quantiles

from commands import EVERYTHING, VARIANTS, environment
from session import Session

MIB = 1 << 20
PAIRS = 5
BLOCKS = 4
CALLS_PER_BLOCK = 100
WARM_UP_CALLS = 200
BIG_ECHOES_PER_PAIR = 8


@dataclass
class Row:
    """One line of the table. `figure` is what the goal speaks of; `low` and `high` are the goal's bounds."""

    measure: str
    unit: str
    values: dict[str, float]
    label: str
    figure: float
    spread: tuple[float, float] | None
    low: float | None
    high: float | None
    samples: int

    @property
    def met(self) -> bool | None:
        if self.low is None and self.high is None:
            return None
        return (self.low is None or self.figure >= self.low) and (self.high is None or self.figure <= self.high)

    def as_json(self) -> dict:
        return asdict(self) | {"met": self.met}


def compare(measure, unit, samples, label, per_round, low=None, high=None) -> Row:
    values = {name: median(taken) for name, taken in samples.items()}
    return Row(measure, unit, values, label, median(per_round), spread(per_round), low, high, len(per_round))


def fastest_quarter(measure: str, unit: str, samples: dict[str, list[float]]) -> Row:
    """The difference of the fastest quarters: other work on the machine only ever adds time, so this is the calmest figure."""
    fastest = {name: sorted(taken)[: max(1, len(taken) // 4)] for name, taken in samples.items()}
    values = {name: median(taken) for name, taken in fastest.items()}
    difference = values["ours"] - values["bare"]
    label = "ours-bare"
    return Row(f"{measure}, fastest quarter", unit, values, label, difference, None, None, None, len(fastest["ours"]))


def spread(values: list[float]) -> tuple[float, float] | None:
    """The tenth and the ninetieth percentile."""
    if len(values) < 5:
        return None
    tenths = quantiles(values, n=10, method="inclusive")
    return tenths[0], tenths[-1]


def ratios(above: list[float], below: list[float]) -> list[float]:
    return [a / b for a, b in zip(above, below, strict=True)]


def interleaved(rounds: int, names: list[str], sample) -> dict[str, list[float]]:
    """`rounds` samples per name; the order turns with every round, so that no variant always runs after the same one."""
    samples = {name: [] for name in names}
    for index in range(rounds):
        turn = index % len(names)
        for name in names[turn:] + names[:turn]:
            samples[name].append(sample(name))
    return samples


def launch(rounds: int | None, _pss) -> list[Row]:
    """Spawn to exit of /bin/true."""
    taken = spawn_and_wait({name: wrap(["/bin/true"]) for name, wrap in VARIANTS.items()}, rounds or 40)
    return [
        compare("launch of /bin/true", "ms", taken, "ours/bwrap", ratios(taken["ours"], taken["bwrap"]), high=1.0),
        compare("launch of /bin/true", "ms", taken, "ours/bare", ratios(taken["ours"], taken["bare"])),
    ]


def spawn_and_wait(commands: dict[str, list[str]], rounds: int, stdout: int | None = None) -> dict[str, list[float]]:
    """Milliseconds from the start of each command to its end. They write to a descriptor, or to nobody."""
    env = environment()
    null = os.open("/dev/null", os.O_RDWR)
    actions = [(os.POSIX_SPAWN_DUP2, null, 0), (os.POSIX_SPAWN_DUP2, stdout or null, 1)]

    def sample(name: str) -> float:
        command = commands[name]
        start = time.perf_counter_ns()
        pid = os.posix_spawn(command[0], command, env, file_actions=actions)
        _, status = os.waitpid(pid, 0)
        taken = time.perf_counter_ns() - start
        if status != 0:
            raise RuntimeError(f"{name}: {command[-1]} ended with {os.waitstatus_to_exitcode(status)}")
        return taken / 1e6

    interleaved(3, list(commands), sample)
    taken = interleaved(rounds, list(commands), sample)
    os.close(null)
    return taken


def echo(_rounds: int | None, _pss) -> list[Row]:
    """Latency and throughput of tool calls, on several pairs of servers: two node processes differ by themselves."""
    latency = {"bare": [], "ours": []}
    speed = {"bare": [], "ours": []}
    for pair in range(PAIRS):
        blocks, echoes = measure_pair(["bare", "ours"] if pair % 2 == 0 else ["ours", "bare"])
        for name in latency:
            latency[name] += blocks[name]
            speed[name] += [1e6 / taken for taken in echoes[name]]
    calls = f"echo call, p50 of {PAIRS * BLOCKS * CALLS_PER_BLOCK}"
    return [
        compare(calls, "µs", latency, "ours/bare", ratios(latency["ours"], latency["bare"]), 0.95, 1.05),
        compare("echo of 1 MiB", "MiB/s", speed, "ours/bare", ratios(speed["ours"], speed["bare"]), 0.95, 1.05),
    ]


def measure_pair(order: list[str]) -> tuple[dict, dict]:
    """Microseconds per call of two servers that live side by side: medians of blocks of small echoes, and big echoes."""
    sessions = {}
    text = "x" * MIB
    try:
        for name in order:
            sessions[name] = Session(VARIANTS[name]([EVERYTHING]))
            sessions[name].initialize()
            timed_calls(sessions[name], "warm-up", WARM_UP_CALLS)
            timed_calls(sessions[name], text, 1)
        blocks = interleaved(BLOCKS, order, lambda name: median(timed_calls(sessions[name], "hello", CALLS_PER_BLOCK)))
        echoes = interleaved(BIG_ECHOES_PER_PAIR, order, lambda name: timed_calls(sessions[name], text, 1)[0])
    finally:
        for session in sessions.values():
            session.close()
    return blocks, echoes


def timed_calls(session: Session, message: str, count: int) -> list[float]:
    """Microseconds of each call."""
    taken = []
    for _ in range(count):
        start = time.perf_counter_ns()
        answer = session.echo(message)
        taken.append((time.perf_counter_ns() - start) / 1e3)
        if len(answer) < len(message):
            raise RuntimeError(f"the echo came back short: {answer[:200]!r}")
    return taken


def resident(rounds: int | None, pss) -> list[Row]:
    """Memory of everything that a box keeps beside the server: each process of its tree except the server itself."""
    names = ["bwrap", "ours"]
    cat = shutil.which("cat", path="/usr/bin:/bin")

    def sample(name: str) -> float:
        with Session(VARIANTS[name]([cat])) as session:
            session.send(b"ready\n")
            session.line()
            # What stays, not what the launch has left.
            time.sleep(1)
            tree = descendants(session.process.pid)
            return sum(pss(pid) for pid, program in tree.items() if program != "cat") * 1024 / 1e6

    kept = interleaved(rounds or 5, names, sample)
    return [compare("resident beside the server", "MB", kept, "ours", kept["ours"], high=1.5)]


def descendants(root: int) -> dict[int, str]:
    """`root` and every process below it, with the names of their programs."""
    parents, names = {}, {}
    for entry in filter(str.isdigit, os.listdir("/proc")):
        try:
            with open(f"/proc/{entry}/stat") as stat:
                head, _, tail = stat.read().rpartition(")")
        except (FileNotFoundError, ProcessLookupError):
            continue
        names[int(entry)] = head.partition("(")[2]
        parents[int(entry)] = int(tail.split()[1])
    found = [root]
    for pid in found:
        found += [child for child, parent in parents.items() if parent == pid]
    return {pid: names[pid] for pid in found}


def first_answer(rounds: int | None, _pss) -> list[Row]:
    """Spawn of server-everything to its answer to tools/list."""
    taken = first_answers({name: wrap([EVERYTHING]) for name, wrap in VARIANTS.items()}, rounds or 24)
    later = [a - b for a, b in zip(taken["ours"], taken["bare"], strict=True)]
    return [
        compare("first answer", "ms", taken, "ours/bare", ratios(taken["ours"], taken["bare"]), high=1.05),
        compare("first answer", "ms", taken, "ours-bare", later, high=15.0),
        fastest_quarter("first answer", "ms", taken),
        compare("first answer", "ms", taken, "bwrap/bare", ratios(taken["bwrap"], taken["bare"])),
    ]


def first_answers(commands: dict[str, list[str]], rounds: int) -> dict[str, list[float]]:
    """Milliseconds from the start of each command to its first answer."""

    def sample(name: str) -> float:
        start = time.perf_counter_ns()
        with Session(commands[name]) as session:
            session.initialize()
            session.request("tools/list", {})
            return (time.perf_counter_ns() - start) / 1e6

    interleaved(1, list(commands), sample)
    return interleaved(rounds, list(commands), sample)


MEASURES = {"a": launch, "b": echo, "c": resident, "d": first_answer}
