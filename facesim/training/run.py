"""A training run, from photos to the model file:

    python train.py --data lfw

Crops are cut (or read from the cache), identities are split, the localiser learns where the face is, the whole
learns who it is, validation picks the threshold, the test people judge it, and all of it goes into one file.
"""

import copy
import dataclasses
import json
import time
import warnings
from pathlib import Path

import numpy as np
import torch
from torch import nn
from tqdm import tqdm

from facesim.data.cache import CachedCrops, cached_crops
from facesim.data.dataset import Dataset, read_folder
from facesim.data.lfw import find_lfw, lfw_split
from facesim.data.pairs import Pairs
from facesim.data.split import Split, split_by_identity
from facesim.errors import FaceSimError
from facesim.face import centre_crop
from facesim.training.checkpoint import load_checkpoint, save_checkpoint
from facesim.training.curves import draw_curves
from facesim.training.dlib_weights import RECOGNISER_FILE, find_dlib_file, load_dlib_weights
from facesim.training.export import export
from facesim.training.judge import judge, validation_f1
from facesim.training.network import Affine, SiameseNet
from facesim.training.poses import aligned_chips
from facesim.training.settings import RunFiles, Settings
from facesim.training.stages import BATCH, IdentityStage, LocaliserStage

CLIP = 1.0  # the largest gradient norm
WARM_UP = 0.15  # of a stage's steps


def train(settings: Settings, run_folder: Path, output: Path, resume: bool = False) -> dict:
    """Train as `settings` say, keep the run in `run_folder`, write the model to `output`, return the test results.

    With `resume`, a run that was interrupted goes on after its last finished epoch, as if it had not been.

    Raises FaceSimError where data or settings cannot give a model; nothing is then written to `output`.
    """
    settings.check()
    if settings.init == "dlib":
        find_dlib_file(RECOGNISER_FILE)
    files = _open_run(settings, run_folder, resume)
    dataset, split = load_split(settings)
    crops = cached_crops(dataset)
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")

    torch.manual_seed(settings.seed)
    net = SiameseNet(Affine if settings.init == "dlib" else nn.BatchNorm2d)
    if settings.init == "dlib":
        load_dlib_weights(net.recogniser)
    net.to(device, memory_format=torch.channels_last)

    train_photos = split.train[crops.usable[split.train]]
    done = _resume(net, files) if resume else {"stage": None, "epoch": 0, "moments": {}}
    if settings.init == "dlib" and settings.localiser_epochs and done["stage"] != "identity":
        chips = aligned_chips(crops.wide, train_photos)
        stage = LocaliserStage(crops.wide, train_photos, chips, settings.localiser_epochs)
        _run_stage(net, stage, done, settings, files, crops, split, device)
        done = {"stage": None, "epoch": 0, "moments": {}}
    if settings.epochs:
        start = _dlibs_recogniser_behind(net) if settings.init == "dlib" else None
        targets = torch.from_numpy(embed_photos(start, crops.wide, train_photos, device)) if start else None
        stage = IdentityStage(
            crops.wide,
            train_photos,
            dataset.identities[train_photos],
            settings.epochs,
            settings.learning_rate,
            settings.margin,
            settings.augmentation,
            targets,
        )
        _run_stage(net, stage, done, settings, files, crops, split, device)
        if start:
            _go_half_way(start.recogniser, net.recogniser)

    def distances(pairs: Pairs) -> np.ndarray:
        return pair_distances(net, crops, pairs, device)

    about = {"data": dataset.name, "fingerprint": crops.fingerprint, "settings": dataclasses.asdict(settings)}
    info, results = judge(distances, dataset, split, about)
    files.results.write_text(json.dumps(results, indent=2), "utf-8")
    export(net, info, output)
    return results


def load_split(settings: Settings) -> tuple[Dataset, Split]:
    """Return the data set that the settings name, split by identity."""
    if settings.data == "lfw":
        dataset, folds = find_lfw()
        return dataset, lfw_split(dataset, folds)
    dataset = read_folder(settings.data)
    return dataset, split_by_identity(dataset, settings.seed)


def pair_distances(net: SiameseNet, crops: CachedCrops, pairs: Pairs, device: torch.device) -> np.ndarray:
    """Return the distance of each pair, `(n,)`, from unaugmented crops; NaN where a photo shows no face."""
    photos = pairs.photos()
    distances = pairs.distances(photos, embed_photos(net, crops.wide, photos, device))
    return np.where(crops.usable[pairs.first] & crops.usable[pairs.second], distances, np.nan)


@torch.inference_mode()
def embed_photos(net: SiameseNet, wide_crops: np.ndarray, photos: np.ndarray, device: torch.device) -> np.ndarray:
    """Embed the unaugmented crops of `photos`, `(n,)`: `(n, 129) float32`."""
    net.eval()
    embeddings = []
    for start in tqdm(range(0, len(photos), BATCH), "embedding", unit="batch", leave=False):
        crops = torch.from_numpy(centre_crop(wide_crops[photos[start : start + BATCH]]))
        embeddings.append(net.embed(crops.to(device)).cpu())
    return torch.cat(embeddings).numpy()


def _run_stage(net, stage, done, settings, files, crops, split, device) -> None:
    parameters = stage.begin(net)
    optimiser = torch.optim.AdamW(parameters, stage.learning_rate)
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimiser, stage.learning_rate, total_steps=stage.epochs * len(stage) + 1, pct_start=WARM_UP
    )
    if done["stage"] == stage.name:
        optimiser.load_state_dict(optimiser.state_dict() | {"state": done["moments"]})
        with warnings.catch_warnings(action="ignore"):  # PyTorch misses the optimiser's steps, made before the break
            for _ in range(done["epoch"] * len(stage)):
                schedule.step()
    first = done["epoch"] if done["stage"] == stage.name else 0
    for epoch in range(first, stage.epochs):
        stage.begin(net)
        random = torch.Generator().manual_seed(settings.seed * 1_000_003 + epoch)
        start, in_network, losses = time.perf_counter(), 0.0, []
        bar = tqdm(stage.batches(random), f"{stage.name} {epoch + 1}/{stage.epochs}", len(stage), unit="batch")
        for batch in bar:
            entered = time.perf_counter()
            loss = stage.loss(net, *(part if part is None else part.to(device) for part in batch))
            optimiser.zero_grad()
            loss.backward()
            nn.utils.clip_grad_norm_(parameters, CLIP)
            optimiser.step()
            schedule.step()
            losses.append(loss.item())
            in_network += time.perf_counter() - entered
            bar.set_postfix(loss=f"{np.mean(losses):.4f}")
        seconds = time.perf_counter() - start
        if not np.isfinite(losses).all():
            raise FaceSimError(f"the loss diverged in {stage.name} epoch {epoch + 1}: lower --learning-rate.")
        measured = {
            "stage": stage.name,
            "epoch": epoch + 1,
            "loss": float(np.mean(losses)),
            "validation_f1": validation_f1(pair_distances(net, crops, split.validation, device), split.validation),
            "seconds": round(seconds, 2),
            "network_share": round(in_network / seconds, 3),
        }
        save_checkpoint(files.checkpoint, net, optimiser, {"stage": stage.name, "epoch": epoch + 1})
        with files.metrics.open("a", encoding="utf-8") as log:
            log.write(json.dumps(measured) + "\n")
        draw_curves(files.metrics, files.curves)
        tqdm.write(f"  loss {measured['loss']:.4f}, validation F1 {measured['validation_f1']:.4f}")


def _open_run(settings: Settings, folder: Path, resume: bool) -> RunFiles:
    files = RunFiles(folder)
    if resume:
        if not files.checkpoint.is_file():
            raise FaceSimError(f"{folder} holds no finished epoch to resume: leave out --resume.")
        stored = json.loads(files.settings.read_text("utf-8"))
        if stored != dataclasses.asdict(settings):
            changed = ", ".join(key for key in stored if stored[key] != getattr(settings, key, None))
            raise FaceSimError(f"{folder} was begun with other settings ({changed}): give the same, or no --resume.")
        return files
    if files.checkpoint.exists():
        raise FaceSimError(f"{folder} holds an earlier run: add --resume to go on with it, or name another --run.")
    folder.mkdir(parents=True, exist_ok=True)
    files.metrics.unlink(missing_ok=True)
    files.settings.write_text(json.dumps(dataclasses.asdict(settings), indent=2), "utf-8")
    return files


def _resume(net: SiameseNet, files: RunFiles) -> dict:
    state, moments, progress = load_checkpoint(files.checkpoint)
    net.load_state_dict(state)
    return progress | {"moments": moments}


def _dlibs_recogniser_behind(net: SiameseNet) -> SiameseNet:
    """Return a network with the localiser of `net` and dlib's recogniser as it came."""
    start = copy.deepcopy(net)
    load_dlib_weights(start.recogniser)
    return start


@torch.no_grad()
def _go_half_way(start: nn.Module, end: nn.Module) -> None:
    """Move the weights of `end` half-way back to `start`.

    That keeps most of the gain and loses little on people unlike those trained on (Wortsman et al. 2022).
    """
    for begun, ended in zip(start.parameters(), end.parameters(), strict=True):
        ended.lerp_(begun, 0.5)
