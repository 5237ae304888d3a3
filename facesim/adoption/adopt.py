"""Adopt a recogniser, from its ONNX file to a model file:

    facesim adopt recogniser.onnx -o model.onnx

It is joined to the localiser of the shipped model. One half of the people held out chooses the threshold, calibration
and operating points, the other half tests them, and one file holds it all.
"""

import dataclasses
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import onnx

from facesim.adoption.face_input import FACE_INPUTS, FaceInput
from facesim.adoption.graph import join, read_localiser
from facesim.adoption.recogniser import Recogniser, read_recogniser
from facesim.data.pairs import Pairs
from facesim.data.source import open_source
from facesim.detector.crop import CROP_MARGIN, CROP_SIZE
from facesim.errors import FaceSimError
from facesim.evaluation.model_rates import rate_model
from facesim.evaluation.scoring import embed_crops
from facesim.files import check_apart, check_writable, write_whole
from facesim.model import Model, default_model
from facesim.model_info import FORMAT_VERSION, ModelInfo, info_to_metadata
from facesim.onnx_file import network_fingerprint

# The metadata of a network that has not been evaluated.
_UNEVALUATED = ModelInfo(FORMAT_VERSION, 1.0, "euclidean", CROP_SIZE, CROP_MARGIN, (0.0, 0.0), (), {})


def adopt(
    path: Path,
    output: Path,
    reads: FaceInput = FACE_INPUTS["arcface"],
    data: str = "lfw",
    *,
    name: str | None = None,
    source: str | None = None,
    licence: str | None = None,
) -> dict[str, Any]:
    """Write the recogniser at `path` as a model file, `output`, and return its results on the test people of `data`.

    `data` is lfw, pins, or a folder with a sub-folder of photos per identity. The recogniser's `name`, `source` and
    `licence` are stored in the model file.

    Raises FaceSimError if file or data cannot give a model; nothing is then written.
    """
    if output.suffix != ".onnx":
        raise FaceSimError(f"{output} is no name for a model file: let it end in .onnx.")
    check_writable(output)
    check_apart([output], [path, default_model()])
    localiser = read_localiser(default_model())
    opset = max(entry.version for entry in localiser.opset_import if not entry.domain)
    recogniser = read_recogniser(path, opset, reads.template.size)
    reads = _fitted(path, recogniser, reads)
    proto = join(localiser, recogniser, reads)

    photo_source = open_source((data,))
    dataset, split = photo_source.dataset, photo_source.held_out(seed=0)
    with tempfile.TemporaryDirectory() as folder:
        model = _draft(proto, path, Path(folder))
        photos = split.held_out_photos(dataset, photo_source.selected)
        crops = photo_source.crops(photos)
        split.check_faces(dataset, crops.usable)
        embeddings = embed_crops(model, crops, photos)

    def distances(pairs: Pairs) -> np.ndarray:
        return pairs.distances(photos, embeddings)

    about = photo_source.description() | {
        "settings": {"data": [data]},
        "adopted": {
            "name": name,
            "source": source,
            "licence": licence,
            "file": path.name,
            "sha256": recogniser.sha256,
            "reads": reads.as_dict() | {"width": recogniser.width, "height": recogniser.height},
            "trained_on": "not known",
        },
        "localiser": {"file": default_model().name, "fingerprint": network_fingerprint(default_model())},
    }
    info, results = rate_model(distances, dataset, photo_source.selected, split, about)
    with write_whole(output) as scratch:
        _write(proto, info, scratch)
        Model(scratch)
    return results


def _fitted(path: Path, recogniser: Recogniser, reads: FaceInput) -> FaceInput:
    """Return `reads` with its template resized to the recogniser's input."""
    if reads.template.size is not None and recogniser.width != recogniser.height:
        raise FaceSimError(
            f"{path} reads {recogniser.width}×{recogniser.height} pixels, and every known template is square: give its "
            "own five --points."
        )
    return dataclasses.replace(reads, template=reads.template.resized(recogniser.width))


def _write(proto: onnx.ModelProto, info: ModelInfo, path: Path) -> Path:
    onnx.helper.set_model_props(proto, info_to_metadata(info))
    onnx.save(proto, path)
    return path


def _draft(proto: onnx.ModelProto, path: Path, folder: Path) -> Model:
    """Write the network alone, and check that it runs before a face is cut."""
    draft = _write(proto, _UNEVALUATED, folder / "model.onnx")
    noise = np.random.default_rng(0).integers(0, 256, (1, CROP_SIZE, CROP_SIZE, 3), np.uint8)
    try:
        model = Model(draft)
        model.embed(noise)
    except FaceSimError as error:
        raise FaceSimError(f"{path} cannot be adopted: {str(error).replace(str(draft), 'the model')}") from error
    return model
