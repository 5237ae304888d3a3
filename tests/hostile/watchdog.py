"""A process that reads hostile files, watched from outside, so that a crash, a hang or a flood of memory is seen.

python tests/hostile/watchdog.py FILE    what facesim says of one file
"""

import contextlib
import json
import os
import select
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

MAX_SECONDS = 5.0  # seconds of work on a file
_PATIENCE = 30.0  # seconds to wait for an answer: the machine may be busy
MAX_MEMORY = 1000  # MB


@dataclass(frozen=True, slots=True)
class Answer:
    """What became of a file: "verdict", "refused", or what must not be: "raised", "died", "hangs"."""

    outcome: str
    said: str
    seconds: float  # of the processor
    memory: float  # MB, the most while at it


class Watchdog:
    """Asks the process about files, and begins it anew where a file has ended it."""

    def __init__(self, scratch: Path):
        self._complaints = open(scratch / "complaints.txt", "w+b")  # noqa: SIM115
        self._process = None

    def __call__(self, path: Path, verify: bool = True) -> Answer:
        """Have a photo or a model file read, and verified unless it is only to be seen."""
        if self._process is None:
            self._process = subprocess.Popen(
                [sys.executable, "-X", "faulthandler", __file__],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=self._complaints,
            )
            self._read_line()  # it has begun
        try:
            self._process.stdin.write(b"01"[verify : verify + 1] + os.fsencode(path) + b"\n")
            self._process.stdin.flush()
        except BrokenPipeError:
            return self._ended("died")
        line = self._read_line()
        if line is None:
            return self._ended("hangs")
        return Answer(**json.loads(line)) if line else self._ended("died")

    def _read_line(self) -> bytes | None:
        ready, _, _ = select.select([self._process.stdout], [], [], _PATIENCE)
        return self._process.stdout.readline() if ready else None

    def _ended(self, outcome: str) -> Answer:
        status = self._stop()
        self._complaints.seek(0)
        said = self._complaints.read()[-2000:].decode(errors="replace")
        return Answer(outcome, f"status {status}: {said}", _PATIENCE, 0)

    def close(self) -> None:
        if self._process is not None:
            self._stop()
        self._complaints.close()

    def _stop(self) -> int:
        with self._process as process:  # its pipes are closed, too
            process.kill()
            status = process.wait()
        self._process = None
        return status


def memory(kind: str) -> float:
    """Return what memory this process has ("VmRSS"), or the most that it has had ("VmHWM"), in MB."""
    (line,) = (line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith(kind))
    return int(line.split()[1]) / 1024


def _answer(verifier, crop, path: str, verify: bool = True) -> tuple[str, str]:
    import traceback

    from facesim.errors import FaceSimError
    from facesim.evaluation.protocol import training_data
    from facesim.model import Model
    from facesim.photo import open_photo

    try:
        if not verify:
            open_photo(path).view(1280)  # the finest in which faces are looked for
        elif path.endswith(".onnx"):
            model = Model(path)
            model.embed(crop)
            model.info.probability(1.0)
            with contextlib.suppress(FaceSimError):
                training_data(model.info)
        else:
            found = verifier.embed([path])
            if found.failures:
                raise found.failures[0]
            assert abs(float((found.embeddings**2).sum()) - 1) < 1e-3
        return "verdict", ""
    except FaceSimError as error:
        said = str(error)
        fit = path in said and said.endswith(".") and "\n" not in said
        return ("refused" if fit else "raised"), said
    except Exception:
        return "raised", traceback.format_exc()


def _main() -> None:
    import numpy as np

    from facesim import Verifier

    verifier, crop = Verifier(), np.full((1, 160, 160, 3), 99, np.uint8)
    crop[:, 40:] = 200, 30, 90
    if len(sys.argv) > 1:
        print(*_answer(verifier, crop, sys.argv[1]), f"({memory('VmHWM'):.0f} MB)")
        return
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # what a library prints is no answer
    print("ready", file=answers, flush=True)
    for line in sys.stdin.buffer:
        Path("/proc/self/clear_refs").write_text("5")  # the most memory so far is what there is now
        start = time.process_time()
        outcome, said = _answer(verifier, crop, os.fsdecode(line[1:-1]), line[:1] == b"1")
        seconds = time.process_time() - start
        answer = {"outcome": outcome, "said": said, "seconds": seconds, "memory": memory("VmHWM")}
        print(json.dumps(answer), file=answers, flush=True)


if __name__ == "__main__":
    _main()
