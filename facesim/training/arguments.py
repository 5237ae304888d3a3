"""What a run is asked for: what cannot be is refused before PyTorch is loaded, which takes seconds."""

from pathlib import Path

from facesim.data.named import check_data_set
from facesim.errors import FaceSimError
from facesim.onnx_file import check_onnx_file
from facesim.training.settings import Settings


def check_arguments(settings: Settings, output: Path | None = None) -> None:
    """Raise FaceSimError if a setting makes no sense, if what it names is not there, or if `output` is no model's name.

    `output` is where the model is to be written.
    """
    settings.check()
    for name in settings.data:
        check_data_set(name)
    if settings.start == "MODEL.onnx":
        check_onnx_file(Path(settings.init))
    if settings.exclude and not Path(settings.exclude).is_file():
        raise FaceSimError(f"{settings.exclude} is not a file: give an exclusion list, as facesim inspect writes it.")
    if output is None:
        return
    if settings.folds:
        raise FaceSimError(f"--folds {settings.folds} gives as many models, each in its fold's folder: no --output.")
    if output.suffix != ".onnx" or output.is_dir():
        raise FaceSimError(f"--output {output} is no name for a model file: let it end in .onnx.")
