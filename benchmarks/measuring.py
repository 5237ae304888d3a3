"""How speed.py measures: by turns, in processes afresh and in ones that stay, their seconds and their memory."""

# Nothing heavy is imported in this process: a child's peak memory, as the kernel counts it, is at least its parent's.
import contextlib
import json
import os
import shlex
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import click
from tqdm import tqdm

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent
PROGRAM = ("-P", "-W", "ignore", "-c")  # -P: what is imported does not depend on the folder that this runs in
CONTESTANT = (*PROGRAM, "import contestants; contestants.main()")  # a Python's arguments
MEMORY_PAUSE = 0.2  # seconds between two looks at the memory of a process and its children
BYTES = 1 if sys.platform == "darwin" else 1024  # in one unit of ru_maxrss


def environment(root: Path = ROOT) -> dict[str, str]:
    """Return the environment of children that import facesim from the checkout `root`.

    Compiled modules may be kept, as on any machine that does not forbid it.
    """
    kept = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    quiet = {"ORT_DISABLE_TELEMETRY": "1", "OPENCV_LOG_LEVEL": "ERROR"}  # facesim itself sets the first
    return kept | quiet | {"PYTHONPATH": os.pathsep.join((str(HERE), str(root)))}


def run(
    command: list[str], output: Path, statuses: tuple[int, ...] = (0, 1), env: dict[str, str] | None = None
) -> tuple[float, int]:
    """Run a command afresh; return its wall time in seconds and its peak resident memory in bytes.

    Raises ClickException when it ends with none of the `statuses`: 0 and 1 are the same, and different people.
    """
    to_file = [(os.POSIX_SPAWN_OPEN, 1, str(output), os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)]
    start = time.perf_counter()
    child = os.posix_spawn(command[0], command, env or environment(), file_actions=to_file)
    _, status, usage = os.wait4(child, 0)
    seconds = time.perf_counter() - start
    if os.waitstatus_to_exitcode(status) not in statuses:
        raise click.ClickException(f"{shlex.join(command)} failed: see above.")
    return seconds, usage.ru_maxrss * BYTES


def echo_and_run(command: list[str]) -> None:
    """Run a command that takes its time, and show it; raise ClickException where it fails."""
    click.echo(f"$ {shlex.join(command)}", err=True)
    if subprocess.run(command, stdout=sys.stderr).returncode:
        raise click.ClickException(f"{shlex.join(command)} failed: see above.")


def in_own_process(function: Callable, *arguments):
    with ProcessPoolExecutor(1) as pool:
        return pool.submit(function, *arguments).result()


class Server:
    """A contestant that stays: loaded once, then asked again and again (contestants.py)."""

    def __init__(self, name: str, python: str, root: Path = ROOT):
        self._process = subprocess.Popen(
            [python, *CONTESTANT, name, "serve"],
            env=environment(root),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        self._name, self.pid = name, self._process.pid

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self._process.stdin.close()
        self._process.wait()

    def ask(self, method: str, *arguments) -> float:
        """Return the seconds that the contestant's method takes."""
        self._process.stdin.write(json.dumps({method: arguments}) + "\n")
        self._process.stdin.flush()
        answer = self._process.stdout.readline()
        if not answer:
            raise click.ClickException(f"{self._name} failed: see above.")
        return float(answer)


def by_turns(title: str, turns: int, actions: dict[str, Callable]) -> dict[str, list]:
    """Call each action with the number of the turn, forwards and backwards by turns; return what each gave."""
    results = {name: [] for name in actions}
    with tqdm(total=turns * len(actions), desc=title, unit="run") as progress:
        for turn in range(turns):
            for name in list(actions)[:: -1 if turn % 2 else 1]:
                results[name].append(actions[name](turn))
                progress.update()
    return results


def weighed(server: Server, photos: list[str]) -> tuple[float, int]:
    """Embed photos; return the seconds, and the most memory that the server and its children had, 0 if not known."""
    peak, done = 0, threading.Event()

    def watch() -> None:
        nonlocal peak
        while not done.wait(MEMORY_PAUSE):
            peak = max(peak, sum(map(own_memory, family(server.pid))))

    watcher = threading.Thread(target=watch)
    watcher.start()
    try:
        return server.ask("embed", photos), peak
    finally:
        done.set()
        watcher.join()


def family(pid: int) -> Iterator[int]:
    """Yield a process and all below it; on Linux."""
    parents = {}
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):  # it has ended
            parents[int(stat.parent.name)] = int(stat.read_text().rpartition(")")[2].split()[1])
    members = [pid]
    for member in members:
        yield member
        members += [child for child, parent in parents.items() if parent == member]


def own_memory(pid: int) -> int:
    """Return a process's proportional set size in bytes, which shares out shared pages."""
    with contextlib.suppress(OSError):
        for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
            if line.startswith("Pss:"):
                return int(line.split()[1]) * 1024
    return 0


def amount(value: float, unit: str) -> str:
    """Write seconds ("s") or bytes ("B") as people read them."""
    if unit == "B":
        return f"{value / 1e6:.0f} MB"
    if value < 1:
        return f"{value * 1e3:.0f} ms"
    return f"{value:.1f} s" if value < 100 else f"{value / 60:.1f} min"
