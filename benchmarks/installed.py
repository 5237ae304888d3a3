"""What a contestant of speed.py takes on disk, in bytes; run by the Python that it is installed for.

python benchmarks/installed.py floor
"""

import re
import sys
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path

from contestants import DETECTOR, MODEL, OPENCV_WEIGHTS

DISTRIBUTIONS = {
    "facesim": ["facesim-verify"],
    "face_recognition": ["face_recognition"],
    "opencv": ["opencv-python-headless"],
    "floor": ["dlib-bin", "numpy", "onnxruntime", "pillow"],
}


def installed_size(name: str) -> int:
    """Return the bytes of a contestant's distributions and of all they require, its networks included."""
    waiting, files = list(DISTRIBUTIONS[name]), set()
    seen = {"pip", "setuptools"}  # which came with the Python, or with another tool
    while waiting:
        wanted = normal(waiting.pop())
        if wanted in seen:
            continue
        seen.add(wanted)
        try:
            found = distribution(wanted)
        except PackageNotFoundError:
            if wanted in map(normal, DISTRIBUTIONS[name]):
                raise
            continue  # required on other systems only
        files.update(Path(file.locate()).resolve() for file in found.files)
        waiting += [re.match("[A-Za-z0-9._-]+", line)[0] for line in found.requires or [] if "extra ==" not in line]
    if name == "floor":
        files |= {MODEL, DETECTOR}
    if name == "opencv":
        files |= {Path(sys.prefix) / weights for weights in OPENCV_WEIGHTS}
    return sum(file.stat().st_size for file in files if file.is_file())


def normal(distribution_name: str) -> str:
    return re.sub("[-_.]+", "-", distribution_name).lower()


if __name__ == "__main__":
    print(installed_size(sys.argv[1]))
