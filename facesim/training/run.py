"""A training run, from photos to the model file:

    python train.py --data lfw

Crops are cut (or read from the cache) and identities split. The localiser learns where the face is, the network learns
who it is, the validation people choose the threshold, the test people measure the errors, and one file holds it all.
"""

import copy
import functools
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from facesim.data.batches import sample_triplets
from facesim.data.cache import CachedCrops
from facesim.data.pairs import Pairs, sample_pairs
from facesim.data.source import Source, open_source
from facesim.data.split import Split
from facesim.errors import FaceSimError
from facesim.evaluation.model_rates import rate_validation
from facesim.evaluation.pair_grid import draw_pairs, draw_right_and_wrong
from facesim.files import save_picture
from facesim.model import Model
from facesim.training import checks
from facesim.training.arguments import check_arguments
from facesim.training.dlib_files import LANDMARK_FILE, find_dlib_file
from facesim.training.embedding import embed_photos, pair_distances
from facesim.training.export import export
from facesim.training.folds import cross_validate
from facesim.training.loop import run_stage
from facesim.training.network import SiameseNet
from facesim.training.notes import print_notes
from facesim.training.objectives import violations
from facesim.training.outcome import HeldOut, Start, rate_network, write_better
from facesim.training.poses import Similarity, aligned_chips
from facesim.training.processes import Processes, joined
from facesim.training.record import Record, RunFiles, check_tensorboard, open_run, read_json, write_json
from facesim.training.reference import Reference, open_reference
from facesim.training.settings import Settings
from facesim.training.stages import IDENTITY, IdentityStage, LocaliserStage
from facesim.training.start import begun_from_model, model_file, read_network, starting_network

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
    """Train with `settings`, keep the run in `run_folder`, and return the test results.

    The model goes to `output`, by default `model.onnx` in the run's folder. With `folds`, each has a model in a folder
    of its own in the run's, and the results are the means over them with their standard errors.

    With `resume`, an interrupted run continues after its last finished epoch, and gives what it would have given.

    Raises FaceSimError if data or settings cannot give a model; nothing is then written to `output`.
    """
    check_arguments(settings, output)
    if tensorboard:
        check_tensorboard()
    if settings.localiser_epochs:
        find_dlib_file(LANDMARK_FILE)
    with joined() as processes:
        start = processes.first_on_each_machine(lambda: starting_network(settings))
        source = processes.first_on_each_machine(lambda: _open_source(settings))
        processes.from_main(lambda: checks.check_inputs_are_kept(settings, source, run_folder, output))
        splits = source.folds(settings.folds, settings.seed) if settings.folds else [source.split(settings.seed)]
        if settings.folds:
            checks.check_start_is_unbiased(settings, source, splits)
        for split in splits:
            checks.check_training_photos(source, split.train, processes)
        reference = processes.from_main(lambda: open_reference(settings, source))
        processes.from_main(lambda: open_run(settings, run_folder, resume))
        processes.from_main(lambda: print_notes(settings, source, splits, reference))
        data = source.description()
        checks.check_same_photos(source, data["fingerprint"], splits, processes)
        held_out = [split.held_out_photos(source.dataset, source.selected) for split in splits]
        used = np.concatenate([*held_out, *(split.train for split in splits)])
        crops = processes.first_on_each_machine(lambda: source.crops(used))
        for split in splits:
            checks.check_faces(source, crops, split, processes)
        processes.from_main(lambda: reference and bool(reference.crops))
        run = _Run(settings, source, data, crops, reference, start, processes, tensorboard)
        if settings.folds:
            return cross_validate(run.train, splits, run_folder, processes)
        return run.train(splits[0], RunFiles(run_folder), output)


def _open_source(settings: Settings) -> Source:
    exclude = Path(settings.exclude) if settings.exclude else None
    return open_source(settings.data, settings.identities, settings.max_per_identity, settings.seed, exclude)


@dataclass(frozen=True)
class _Run:
    """What all folds of a run share."""

    settings: Settings
    source: Source
    data: dict[str, Any]  # what the model file says of it
    crops: CachedCrops
    reference: Reference | None
    start: SiameseNet
    processes: Processes
    tensorboard: bool

    def train(self, split: Split, files: RunFiles, output: Path | None = None) -> dict:
        """Train and test one model, from its checkpoint if there is one; return the test results."""
        settings, processes, wide_crops = self.settings, self.processes, self.crops.wide
        photos = split.train[self.crops.usable[split.train]]
        net = copy.deepcopy(self.start).to(processes.device).to(memory_format=torch.channels_last)
        done = processes.from_main(files.open)
        if done and done.processes != processes.count:
            raise FaceSimError(f"{files.folder} was begun by {done.processes} processes: continue with as many.")
        draw = functools.partial(self._draw_validation_pairs, net, split.validation)
        record = Record(files, draw if self.tensorboard and processes.main else None)
        if done:
            net.load_state_dict(done.net)
        processes.from_main(lambda: record.forget_after(done))

        localiser_is_done = done and (done.stage == IDENTITY or done.epoch >= settings.localiser_epochs)
        if settings.localiser_epochs and not localiser_is_done:
            stage = LocaliserStage(wide_crops, photos, self.chips[photos], settings.localiser_epochs, processes)
            run_stage(net, stage, settings, processes, lambda: self._validate(net, split.validation), record, done)
        if settings.epochs:
            # with the localiser as it is now: one that has been taught is fixed, so it is the same after a break
            start = copy.deepcopy(net if settings.localiser_epochs else self.start).to(processes.device)
            start.recognisers.load_state_dict(self.start.recognisers.state_dict())
            targets = torch.from_numpy(embed_photos(start, self.crops, photos)) if settings.hold else None
            identities = self.source.dataset.identities[photos]
            triplets = photos[sample_triplets(identities, TRIPLETS, settings.seed)]

            def validate() -> dict[str, float]:
                return self._validate(net, split.validation) | self._violations(net, triplets)

            identity_stage = IdentityStage(settings, wide_crops, photos, identities, targets, processes)
            run_stage(net, identity_stage, settings, processes, validate, record, done)
            _blend(start.recognisers, net.recognisers, settings.blend)
        return processes.from_main(lambda: self._finish(net, split, files, output or files.model))

    @functools.cached_property
    def chips(self) -> Similarity:
        """The positions of dlib's aligned chips in the wide crops, `(n,)`; zero for photos that are not used."""
        used = np.flatnonzero(self.crops.usable & self.source.selected)
        found = aligned_chips(self.crops.wide, used)
        scale, shift = torch.zeros(2, len(self.crops.wide), dtype=torch.cfloat)
        scale[used], shift[used] = found.scale, found.shift
        return Similarity(scale, shift)

    def _validate(self, net: SiameseNet, pairs: Pairs) -> dict[str, float]:
        return rate_validation(pair_distances(net, self.crops, pairs, mirror=False), pairs)

    def _violations(self, net: SiameseNet, triplets: np.ndarray) -> dict[str, float]:
        photos = np.unique(triplets)
        embeddings = torch.from_numpy(embed_photos(net, self.crops, photos, mirror=False))
        return {"violations": violations(self.settings, *embeddings[np.searchsorted(photos, triplets)])}

    def _finish(self, net: SiameseNet, split: Split, files: RunFiles, output: Path) -> dict:
        """Choose the threshold, test, write the model file, the pictures of pairs and the results."""
        source, crops, settings = self.source, self.crops, self.settings
        on, begun_from = HeldOut(source, self.data, crops, split, self.reference), begun_from_model(settings)
        about = self.data | {"settings": settings.as_dict()}
        if begun_from:
            about["begun_from"] = begun_from.trained_on
        path = model_file(settings)
        if begun_from and path:
            start = Start(Model(path), read_network(path, settings.backbone).to(self.processes.device))
            keep = settings.keep_trained or bool(settings.folds)
            trained, results = write_better(start, net, on, about, output, files.trained, keep)
        else:
            trained = rate_network(net, embed_photos(net, crops, on.photos), on, about, None)
            results = trained.results
            export(net, trained.info, output)
        trained_on = split.train[crops.usable[split.train]]
        identities = source.dataset.identities[trained_on]
        train = sample_pairs(identities, TRAINING_PAIRS, TRAINING_PAIRS, self.settings.seed).among(trained_on)
        for part, pairs, measured in (
            ("train", train, pair_distances(net, crops, train)),
            ("validation", split.validation, trained.distances(split.validation)),
            ("test", split.test, trained.distances(split.test)),
        ):
            save_picture(draw_right_and_wrong(crops.wide, pairs, measured, trained.info.threshold), files.pairs(part))
        write_json(files.results, results)
        return read_json(files.results)  # as a later call will read them

    def _draw_validation_pairs(self, net: SiameseNet, pairs: Pairs) -> np.ndarray:
        half = PAIRS_SHOWN // 2
        shown = np.concatenate([np.flatnonzero(pairs.same)[:half], np.flatnonzero(~pairs.same)[:half]])
        distances = pair_distances(net, self.crops, pairs)
        threshold = rate_validation(distances, pairs)["validation_threshold"]
        return np.asarray(draw_pairs(self.crops.wide, pairs.at(shown), distances[shown], threshold))


@torch.no_grad()
def _blend(start: nn.Module, end: nn.Module, share: float) -> None:
    """Move the weights of `end` back to those of `start`, by `share` of the way.

    That keeps most of the gain and loses little on people unlike those trained on (Wortsman et al. 2022).
    """
    for begun, ended in zip(start.parameters(), end.parameters(), strict=True):
        ended.lerp_(begun, share)
