"""The checks before a run: what could make it fail after hours of training is refused before a face is cut."""

from pathlib import Path

import numpy as np

from facesim.data.cache import CachedCrops
from facesim.data.source import Source
from facesim.data.split import Split
from facesim.errors import FaceSimError
from facesim.evaluation.protocol import people_seen
from facesim.files import check_apart
from facesim.training.processes import Processes
from facesim.training.record import RunFiles
from facesim.training.settings import Settings
from facesim.training.start import begun_from_model, model_file


def check_inputs_are_kept(settings: Settings, source: Source, folder: Path, output: Path | None) -> None:
    """Raise FaceSimError if the run would write over a file that it reads."""
    written = [path for run in (folder, *folder.glob("fold-*")) for path in RunFiles(run).written]
    read = (model_file(settings), settings.exclude, *source.dataset.paths())
    check_apart([*written, *filter(None, [output])], filter(None, read))


def check_start_is_unbiased(settings: Settings, source: Source, splits: list[Split]) -> None:
    """Raise FaceSimError if the model that the run starts from has seen people on whom a fold is tested."""
    begun_from = begun_from_model(settings)
    seen = people_seen(begun_from, source.dataset) if begun_from else set()
    tested = {person for split in splits for person in split.identities(source.dataset)["test"]}
    if seen & tested:
        raise FaceSimError(
            f"the model that --init {settings.init} starts from has seen {len(seen & tested):,} of the {len(tested):,} "
            "people to test on: add --init sources, or teach a new localiser by --localiser-epochs 16."
        )


def check_training_photos(source: Source, photos: np.ndarray, processes: Processes) -> None:
    """Raise FaceSimError if `photos`, `(n,)` indices, may leave a process without a genuine or an impostor pair."""
    _, counts = np.unique(source.dataset.identities[photos], return_counts=True)
    needed = 2 * processes.count
    if (counts > 1).sum() < needed:
        raise FaceSimError(
            f"{source.dataset.name}: of the {len(counts)} identities to train on, {(counts > 1).sum()} have two photos "
            f"or more that show a face, and {needed} are needed: add photos."
        )


def check_faces(source: Source, crops: CachedCrops, split: Split, processes: Processes) -> None:
    """Raise FaceSimError if too few photos show a face."""
    check_training_photos(source, split.train[crops.usable[split.train]], processes)
    split.check_faces(source.dataset, crops.usable)


def check_same_photos(source: Source, fingerprint: str, splits: list[Split], processes: Processes) -> None:
    """Raise FaceSimError if this machine has other photos than the first."""
    here = (fingerprint, [split.train.tolist() for split in splits])
    if here != processes.from_main(lambda: here):
        raise FaceSimError(f"{source.dataset.name} holds other photos here than on the first machine: make them equal.")
