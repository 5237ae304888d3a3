"""`benchmarks/speed.py --against` runs both checkouts, and says which of them is slower."""

import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]
SLOWLY = """
import time

def slowly(*arguments, verify=Verifier.verify):
    time.sleep(0.2)
    return verify(*arguments)

Verifier.verify = slowly
"""


def test_a_checkout_that_takes_longer_is_said_to(tmp_path):
    shutil.copytree(ROOT / "facesim", tmp_path / "facesim", ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "predict.py", tmp_path)
    (tmp_path / "models").symlink_to(ROOT / "models")
    with (tmp_path / "facesim" / "verifier.py").open("a") as verifier:
        verifier.write(SLOWLY)
    command = [sys.executable, ROOT / "benchmarks" / "speed.py", "--against", tmp_path, "--only", "warm"]
    ended = subprocess.run([*command, "--turns", "8"], cwd=ROOT, capture_output=True, text=True, check=True)
    (row,) = (line for line in ended.stdout.splitlines() if line.startswith("| warm pair"))
    assert row.endswith("| faster |")  # here than there
