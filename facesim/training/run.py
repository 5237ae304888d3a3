"""A training run, from photos to the model file:

    python train.py --data lfw

Crops are cut (or read from the cache), identities are split, the localiser learns where the face is, the whole
learns who it is, validation picks the threshold, the test people judge it, and all of it goes into one file.
"""

import copy
import functools
import json
from pathlib import Path

import numpy as np
import torch
from torch import nn

from facesim.data.batches import sample_triplets
from facesim.data.cache import CachedCrops
from facesim.data.pairs import Pairs, sample_pairs
from facesim.data.source import Source, open_source
from facesim.data.split import Split
from facesim.errors import FaceSimError
from facesim.evaluation.model_rates import Distances, rate_model, rate_validation
from facesim.evaluation.pair_grid import draw_pairs, draw_right_and_wrong
from facesim.evaluation.protocol import people_seen
from facesim.files import check_apart, save_picture, write_whole
from facesim.training.checkpoint import Checkpoint
from facesim.training.dlib_files import LANDMARK_FILE, find_dlib_file
from facesim.training.embedding import changed_distances, distances_among, embed_photos
from facesim.training.export import export
from facesim.training.folds import cross_validate
from facesim.training.loop import run_stage
from facesim.training.network import SiameseNet
from facesim.training.objectives import violations
from facesim.training.poses import Similarity, aligned_chips
from facesim.training.processes import Processes, joined
from facesim.training.record import Record, RunFiles, check_tensorboard
from facesim.training.settings import Settings
from facesim.training.stages import IdentityStage, LocaliserStage
from facesim.training.start import begun_from_model, model_file, starting_network

TRIPLETS = 1000  # drawn after each epoch, to see how many still violate the margin
PAIRS_SHOWN = 12  # on TensorBoard, half of them genuine
TRAINING_PAIRS = 100  # of each kind, drawn for the picture of training pairs


def train(
    settings: Settings,
    run_folder: Path,
    output: Path | None = None,
    resume: bool = False,
    tensorboard: bool = False,
) -> dict:
    """Train as `settings` say, keep the run in `run_folder`, return the test results.

    The model goes to `output`, by default `model.onnx` in the run's folder. With `folds`, each has a folder with a
    model of its own in the run's, and the results are the means over them with their standard errors.

    With `resume`, a run that was interrupted goes on after its last finished epoch, as if it had not been.

    Raises FaceSimError where data or settings cannot give a model; nothing is then written to `output`.
    """
    settings.check()
    _check_output(settings, output)
    if tensorboard:
        check_tensorboard()
    if settings.localiser_epochs:
        find_dlib_file(LANDMARK_FILE)
    with joined() as processes:
        start = processes.first_on_each_machine(lambda: starting_network(settings))
        source = processes.first_on_each_machine(lambda: _open_source(settings))
        processes.from_main(lambda: _check_apart(settings, source, run_folder, output))
        splits = source.folds(settings.folds, settings.seed) if settings.folds else [source.split(settings.seed)]
        if settings.folds:
            _check_unseen(settings, source, splits)
        for split in splits:
            _check_people(source, split.train, processes)
        processes.from_main(lambda: _open_run(settings, run_folder, resume))
        crops = processes.first_on_each_machine(source.crops)
        for split in splits:
            _check_faces(source, crops, split, processes)
        run = _Run(settings, source, crops, start, processes, tensorboard)
        if settings.folds:
            return cross_validate(run.train, splits, run_folder, processes)
        return run.train(splits[0], RunFiles(run_folder), output)


class _Run:
    """What every fold of a run shares."""

    def __init__(
        self,
        settings: Settings,
        source: Source,
        crops: CachedCrops,
        start: SiameseNet,
        processes: Processes,
        tensorboard: bool,
    ):
        self.settings, self.source, self.crops, self.start = settings, source, crops, start
        self.processes, self.tensorboard = processes, tensorboard

    def train(self, split: Split, files: RunFiles, output: Path | None = None) -> dict:
        """Train and judge one model, going on from its checkpoint if there is one; return the test results."""
        settings, processes, wide_crops = self.settings, self.processes, self.crops.wide
        photos = split.train[self.crops.usable[split.train]]
        net = copy.deepcopy(self.start).to(processes.device, memory_format=torch.channels_last)
        done = processes.from_main(lambda: _begin(files))
        if done and done.processes != processes.count:
            raise FaceSimError(f"{files.folder} was begun by {done.processes} processes: continue with as many.")
        picture = functools.partial(self._pair_picture, net, split.validation)
        record = Record(files, picture if self.tensorboard and processes.main else None)
        if done:
            net.load_state_dict(done.net)
        processes.from_main(lambda: record.forget_after(done))

        found_faces = done and (done.stage == "identity" or done.epoch >= settings.localiser_epochs)
        if settings.localiser_epochs and not found_faces:
            stage = LocaliserStage(wide_crops, photos, self.chips[photos], settings.localiser_epochs, processes)
            run_stage(net, stage, settings, processes, lambda: self._judge(net, split), record, done)
        if settings.epochs:
            # the localiser as the stage finds it: one that has been taught keeps still, so a resumed run has the same
            start = copy.deepcopy(net if settings.localiser_epochs else self.start).to(processes.device)
            start.recognisers.load_state_dict(self.start.recognisers.state_dict())
            targets = torch.from_numpy(embed_photos(start, wide_crops, photos)) if settings.hold else None
            identities = self.source.dataset.identities[photos]
            stage = IdentityStage(settings, wide_crops, photos, identities, targets, processes)
            triplets = photos[sample_triplets(identities, TRIPLETS, settings.seed)]
            run_stage(net, stage, settings, processes, lambda: self._judge(net, split, triplets), record, done)
            _blend(start.recognisers, net.recognisers, settings.blend)
        return processes.from_main(lambda: self._finish(net, split, files, output or files.model))

    @functools.cached_property
    def chips(self) -> Similarity:
        """Where dlib's landmarks put the aligned chip in each wide crop, `(n,)`; zero in photos that do not count."""
        selected = np.flatnonzero(self.crops.usable & self.source.selected)
        found = aligned_chips(self.crops.wide, selected)
        chips = torch.zeros(2, len(self.crops.wide), dtype=torch.cfloat)
        chips[:, selected] = torch.stack(found)
        return Similarity(*chips)

    def _judge(self, net: SiameseNet, split: Split, triplets: np.ndarray | None = None) -> dict[str, float]:
        pairs = split.validation
        measured = rate_validation(distances_among(net, self.crops, pairs.photos(), mirror=False)(pairs), pairs)
        if triplets is not None:
            photos = np.unique(triplets)
            embeddings = torch.from_numpy(embed_photos(net, self.crops.wide, photos, mirror=False))
            measured["violations"] = violations(self.settings, *embeddings[np.searchsorted(photos, triplets)])
        return measured

    def _finish(self, net: SiameseNet, split: Split, files: RunFiles, output: Path) -> dict:
        identities = self.source.dataset.identities
        held = np.concatenate([split.validation.photos(), split.test.photos()])
        distances = distances_among(net, self.crops, np.flatnonzero(np.isin(identities, identities[held])))
        about = {
            "data": self.source.dataset.name,
            "fingerprint": self.crops.fingerprint,
            "photos_passed_over": int((~self.source.selected).sum()),
            "settings": self.settings.as_dict(),
        }
        begun_from = begun_from_model(self.settings)
        if begun_from:
            about["begun_from"] = begun_from.trained_on
        changed = changed_distances(net, self.crops, split.validation)
        info, results = rate_model(distances, self.source.dataset, self.source.selected, split, about, changed)
        export(net, info, output)
        self._draw_pairs(net, split, distances, info.threshold, files)
        written = json.dumps(results, indent=2)
        with write_whole(files.results) as scratch:
            scratch.write_text(written, "utf-8")
        return json.loads(written)  # as a later run will read it

    def _draw_pairs(
        self, net: SiameseNet, split: Split, held_distances: Distances, threshold: float, files: RunFiles
    ) -> None:
        """Show what the model gets right and wrong in each part of the split."""
        photos = split.train[self.crops.usable[split.train]]
        drawn = sample_pairs(self.source.dataset.identities[photos], TRAINING_PAIRS, TRAINING_PAIRS, self.settings.seed)
        train = drawn.among(photos)
        for part, pairs, distances in (
            ("train", train, distances_among(net, self.crops, train.photos())),
            ("validation", split.validation, held_distances),
            ("test", split.test, held_distances),
        ):
            save_picture(draw_right_and_wrong(self.crops.wide, pairs, distances(pairs), threshold), files.pairs(part))

    def _pair_picture(self, net: SiameseNet, pairs: Pairs) -> np.ndarray:
        half = PAIRS_SHOWN // 2
        chosen = np.concatenate([np.flatnonzero(pairs.same)[:half], np.flatnonzero(~pairs.same)[:half]])
        distances = distances_among(net, self.crops, pairs.photos())(pairs)
        threshold = rate_validation(distances, pairs)["validation_threshold"]
        return np.asarray(draw_pairs(self.crops.wide, pairs.at(chosen), distances[chosen], threshold))


def _check_output(settings: Settings, output: Path | None) -> None:
    if output is None:
        return
    if settings.folds:
        raise FaceSimError(f"--folds {settings.folds} gives as many models, each in its fold's folder: no --output.")
    if output.suffix != ".onnx" or output.is_dir():
        raise FaceSimError(f"--output {output} is no name for a model file: let it end in .onnx.")


def _check_apart(settings: Settings, source: Source, folder: Path, output: Path | None) -> None:
    """Raise FaceSimError where the run would write over a file that it reads."""
    written = [path for run in (folder, *folder.glob("fold-*")) for path in RunFiles(run).written]
    read = (model_file(settings), settings.exclude, *source.dataset.paths())
    check_apart([*written, *filter(None, [output])], filter(None, read))


def _open_source(settings: Settings) -> Source:
    exclude = Path(settings.exclude) if settings.exclude else None
    return open_source(settings.data, settings.identities, settings.max_per_identity, settings.seed, exclude)


def _check_unseen(settings: Settings, source: Source, splits: list[Split]) -> None:
    """Raise FaceSimError where the model that the run starts from has seen people whom a fold is to be tested on."""
    begun_from = begun_from_model(settings)
    seen = people_seen(begun_from, source.dataset) if begun_from else set()
    tested = {person for split in splits for person in split.identities(source.dataset)["test"]}
    if seen & tested:
        raise FaceSimError(
            f"the model that --init {settings.init} starts from has seen {len(seen & tested):,} of the {len(tested):,} "
            "people to test on: add --init sources, or teach a new localiser by --localiser-epochs 16."
        )


def _check_people(source: Source, photos: np.ndarray, processes: Processes) -> None:
    """Raise FaceSimError where `photos`, `(n,)` indices, could give a process no genuine or no impostor pair."""
    _, counts = np.unique(source.dataset.identities[photos], return_counts=True)
    needed = 2 * processes.count
    if (counts > 1).sum() < needed:
        raise FaceSimError(
            f"{source.dataset.name}: of the {len(counts)} identities to train on, {(counts > 1).sum()} have two photos "
            f"or more that show a face, and {needed} are needed: add photos."
        )


def _check_faces(source: Source, crops: CachedCrops, split: Split, processes: Processes) -> None:
    """Raise FaceSimError where photos without a face leave too little, or where another machine has other photos."""
    usable = crops.usable
    _check_people(source, split.train[usable[split.train]], processes)
    split.check_faces(source.dataset, usable)
    here = (crops.fingerprint, split.train.tolist())
    if here != processes.from_main(lambda: here):
        raise FaceSimError(f"{source.dataset.name} holds other photos here than on the first machine: make them equal.")


def _open_run(settings: Settings, folder: Path, resume: bool) -> None:
    files = RunFiles(folder)
    all_files = [files, *map(RunFiles, folder.glob("fold-*"))]
    begun = any(some.checkpoint.is_file() or some.results.is_file() for some in all_files)
    if resume and not files.settings.is_file():
        raise FaceSimError(f"{folder} holds no run to continue: leave out --resume.")
    if begun and not resume:
        raise FaceSimError(f"{folder} holds an earlier run: add --resume to continue it, or name another --run.")
    if resume:
        stored, now = Settings.read(files.settings).as_dict(), settings.as_dict()
        if stored != now:
            changed = ", ".join(name for name in now if stored[name] != now[name])
            raise FaceSimError(f"{folder} was begun with other settings ({changed}): give the same, or no --resume.")
        return
    _make(folder)
    with write_whole(files.settings) as scratch:
        scratch.write_text(json.dumps(settings.as_dict(), indent=2), "utf-8")


def _begin(files: RunFiles) -> Checkpoint | None:
    _make(files.folder)
    return Checkpoint.load(files.checkpoint) if files.checkpoint.is_file() else None


def _make(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise FaceSimError(f"{folder} cannot be written: {error.strerror}; name another --run.") from error


@torch.no_grad()
def _blend(start: nn.Module, end: nn.Module, share: float) -> None:
    """Move the weights of `end` back to those of `start`, by `share` of the way.

    That keeps most of the gain and loses little on people unlike those trained on (Wortsman et al. 2022).
    """
    for begun, ended in zip(start.parameters(), end.parameters(), strict=True):
        ended.lerp_(begun, share)
