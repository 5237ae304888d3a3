"""The settings of a training run: each is defined once, here, with the best known default."""

import contextlib
import dataclasses
import json
import shlex
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, get_args, get_origin, get_type_hints

from facesim.errors import FaceSimError

STARTS = {  # the weights that each backbone can start from, the best last; each can continue from its model file, too
    "facesim": ("sources", "shipped"),
    "resnet29": ("scratch", "sources"),
    "small": ("scratch",),
    "resnet18": ("scratch", "imagenet"),
    "mobilenet_v3_small": ("scratch", "imagenet"),
}
LOSSES = ("contrastive", "triplet")
MINING = ("random", "semihard", "hard")

# The best known for each start, where it differs.
_UNTAUGHT: dict[str, Any] = {
    "localiser_epochs": 8,
    "epochs": 30,
    "learning_rate": 1e-3,
    "people_per_batch": 32,
    "photos_per_person": 4,
    "singles_per_batch": 0,
    "augmentation": 0.3,
    "genuine_margin": 0.1,
    "hold": 0.0,
    "blend": 0.0,
    "random_epochs": 2,
    "mirror": True,
}
RECIPES: dict[str, dict[str, Any]] = {
    "scratch": _UNTAUGHT,
    "imagenet": _UNTAUGHT | {"epochs": 20, "learning_rate": 3e-4},
    "sources": {"localiser_epochs": 16},
}
KNOWN = ("sources", "shipped", "MODEL.onnx")  # starts that can describe faces already
MARGINS = {  # by loss, and by whether the start is one of KNOWN
    ("contrastive", True): 0.6,
    ("contrastive", False): 1.0,
    ("triplet", True): 0.2,
    ("triplet", False): 0.2,
}


def _setting(default: Any, help: str, choices: tuple[str, ...] = ()) -> Any:
    return field(default=default, metadata={"help": help, "choices": choices})


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """What `facesim train` was asked to do; it is stored in the run folder and in the model file."""

    data: tuple[str, ...] = _setting(
        ("lfw",), "lfw, pins, or a folder with a sub-folder of photos per identity; several, by repeating it."
    )
    identities: int | None = _setting(None, "Use only this many people, drawn with the seed.")
    max_per_identity: int | None = _setting(None, "Use only this many photos of each person, drawn with the seed.")
    exclude: str | None = _setting(None, "An exclusion list, instead of the one in the data set's folder.")
    folds: int | None = _setting(
        None, "Cross-validate: train this many models, each tested on people it never saw. 10 on lfw are View 2."
    )
    backbone: str = _setting("facesim", "The network that describes the straightened face.", tuple(STARTS))
    init: str = _setting(
        "shipped",
        "Its starting weights: shipped (the model inside facesim), sources (its recognisers as their authors published "
        "them), imagenet, scratch, or a MODEL.onnx to go on from.",
    )
    mirror: bool = _setting(False, "Describe each face's mirror image, too: twice the time, slightly fewer errors.")
    localiser_epochs: int = _setting(0, "Epochs of training a new localiser on dlib's landmarks; 0 keeps the start's.")
    epochs: int = _setting(3, "Epochs of learning identities, at most.")
    freeze_until: int = _setting(0, "Until after this epoch, train the last layer only.")
    loss: str = _setting("contrastive", "The loss: on pairs, or on triplets.", LOSSES)
    mining: str = _setting("semihard", "Which pairs or triplets of a batch are used.", MINING)
    random_epochs: int = _setting(0, "Epochs at the start in which they are drawn at random.")
    margin: float = _setting(0.6, "Impostors at this distance (triplets: this much beyond the genuine) cost nothing.")
    genuine_margin: float = _setting(0.3, "Contrastive: genuine pairs nearer than this cost nothing.")
    people_per_batch: int = _setting(24, "Identities in a batch with several photos, per process.")
    photos_per_person: int = _setting(2, "Photos of each of them.")
    singles_per_batch: int = _setting(16, "Identities in a batch with only one photo: impostors to all others.")
    learning_rate: float = _setting(3e-5, "The peak of the one-cycle schedule.")
    augmentation: float = _setting(1.0, "How strongly crops are augmented while identities are learned, 0 to 1.")
    hold: float = _setting(50.0, "Weight of the squared distance to the embeddings at the start.")
    blend: float = _setting(0.5, "How far the weights go back to the start's at the end, 0 to 1.")
    patience: int | None = _setting(None, "Stop after so many epochs without a better validation F1; keep the best.")
    until_violations: float | None = _setting(None, "Stop once a smaller share of random triplets violates the margin.")
    reference: str = _setting(
        "lfw",
        "Photos of other people, whom the trained model must not confuse more than its start: lfw, if it is on this "
        "machine, a folder, or none.",
    )
    keep_trained: bool = _setting(False, "Keep the trained model even if it is no better than its start.")
    seed: int = _setting(0, "Equal seeds, equal runs (on a CPU).")

    @classmethod
    def best(cls, **given: Any) -> "Settings":
        """Return the settings given, and for those left out, or None, the best known for this start.

        Raises FaceSimError if a setting makes no sense.
        """
        given = {name: value for name, value in given.items() if value is not None}
        init = given.get("init", STARTS.get(given.get("backbone", "facesim"), STARTS["facesim"])[-1])
        start = _kind(init)
        loss = given.get("loss", "contrastive")
        margin = MARGINS.get((loss, start in KNOWN), 0.2)
        settings = cls(**{"init": init, "margin": margin} | RECIPES.get(start, {}) | given)
        settings.check()
        return settings

    @classmethod
    def read(cls, path: Path, **changed: Any) -> "Settings":
        """Read the settings that a run has written, replaced by those in `changed` that are not None.

        Raises FaceSimError if the file holds no settings, or unknown ones, or one that makes no sense.
        """
        try:
            stored = json.loads(path.read_text("utf-8"))
            if not isinstance(stored, dict) or not isinstance(stored.get("data"), list) or "init" not in stored:
                raise ValueError
        except (OSError, ValueError) as error:
            raise FaceSimError(f"{path} holds no settings: give the settings.json of a run.") from error
        unknown = ", ".join(stored.keys() - {f.name for f in dataclasses.fields(cls)})
        if unknown:
            raise FaceSimError(f"{path} has settings that this facesim does not know: {unknown}.")
        stored |= {name: value for name, value in changed.items() if value is not None}
        for name, kind, repeats, *_ in options():
            for value in stored[name] if repeats else [stored.get(name)]:
                if value is not None and type(value) is not kind and not (kind is float and type(value) is int):
                    raise FaceSimError(f"{path} has a setting of a wrong kind: {name} must be of type {kind.__name__}.")
        return cls.best(**stored | {"data": tuple(stored["data"])})

    def command(self, **changed: Any) -> str:
        """Return the shortest command that trains with these settings, except for those that are `changed`."""
        wanted = dataclasses.replace(self, **changed)
        given = wanted.as_dict()
        for name in reversed(list(given)):
            others = {other: value for other, value in given.items() if other != name}
            with contextlib.suppress(FaceSimError):  # a start that does not fit the default backbone
                given = others if Settings.best(**others) == wanted else given
        words = ["facesim", "train"]
        for name, value in given.items():
            for one in value if isinstance(value, tuple) else (value,):
                words += [option(name)] if one is True else [option(name), str(one)]
        return shlex.join(words)

    def as_dict(self) -> dict[str, Any]:
        return dataclasses.asdict(self)

    @property
    def start(self) -> str:
        """Return the kind of start: "scratch", "imagenet", "sources", "shipped" or "MODEL.onnx"."""
        return _kind(self.init)

    @property
    def localiser_is_taught(self) -> bool:
        """Return whether the localiser can find a face before identities are learned."""
        return self.localiser_epochs > 0 or self.start in ("shipped", "MODEL.onnx")

    def check(self) -> None:
        """Raise FaceSimError if a setting makes no sense."""
        for setting in dataclasses.fields(self):
            choices, value = setting.metadata["choices"], getattr(self, setting.name)
            if choices and value not in choices:
                raise FaceSimError(f"{option(setting.name)} {value} is not one of {', '.join(choices)}.")
        possible = (*STARTS[self.backbone], "MODEL.onnx")
        if self.start not in possible:
            raise FaceSimError(
                f"--init {self.init} does not fit --backbone {self.backbone}: give one of {', '.join(possible)}."
            )
        for name, (is_right, demand) in _DEMANDS.items():
            value = getattr(self, name)
            if value is not None and not is_right(value):
                raise FaceSimError(f"{option(name)} {value} must {demand}.")
        if not self.epochs + self.localiser_epochs:
            raise FaceSimError("--epochs 0 together with --localiser-epochs 0 leaves nothing to train.")
        if self.loss == "contrastive" and self.margin > 2:
            raise FaceSimError(f"--margin {self.margin} must not be over 2, the largest distance there is.")


_DEMANDS: dict[str, tuple[Callable[[Any], bool], str]] = {
    "data": (bool, "name a data set"),
    "identities": (lambda n: n >= 2, "be 2 or more"),
    "max_per_identity": (lambda n: n >= 2, "be 2 or more: of one photo each no genuine pair can be made"),
    "folds": (lambda n: n >= 3, "be 3 or more: one fold to test, one to choose the threshold, one to train on"),
    **dict.fromkeys(
        ("localiser_epochs", "epochs", "freeze_until", "random_epochs", "singles_per_batch", "hold"),
        (lambda n: 0 <= n < float("inf"), "not be negative"),
    ),
    "margin": (lambda x: 0 < x <= 4, "lie between 0 and 2, the largest distance there is (for triplets 4, squared)"),
    "genuine_margin": (lambda x: 0 <= x < 2, "lie between 0 and 2, the largest distance there is"),
    "people_per_batch": (lambda n: n >= 2, "be 2 or more: else a batch can hold no impostor pair"),
    "photos_per_person": (lambda n: n >= 2, "be 2 or more: else a batch can hold no genuine pair"),
    "learning_rate": (lambda x: 0 < x < 1, "lie between 0 and 1"),
    **dict.fromkeys(("augmentation", "blend"), (lambda x: 0 <= x <= 1, "lie between 0 and 1")),
    "patience": (lambda n: n >= 1, "be 1 or more"),
    "until_violations": (lambda x: 0 < x < 1, "lie between 0 and 1"),
    "seed": (lambda n: 0 <= n < 2**32, "lie between 0 and 4294967295"),
}


def _kind(init: str) -> str:
    return "MODEL.onnx" if init.endswith(".onnx") else init


def option(name: str) -> str:
    """Return the command-line option that sets `name`."""
    return "--" + name.replace("_", "-")


def options() -> list[tuple[str, type, bool, str, tuple[str, ...]]]:
    """Return for each setting its name, type, whether it repeats, its help with defaults, and its choices."""
    hints = get_type_hints(Settings)
    listed = []
    for setting in dataclasses.fields(Settings):
        hint = hints[setting.name]
        kind, *_ = get_args(hint) or (hint,)  # of `int | None`, and of `tuple[str, ...]`, the first
        listed.append((setting.name, kind, get_origin(hint) is tuple, _help(setting), setting.metadata["choices"]))
    return listed


def _help(setting: dataclasses.Field) -> str:
    if setting.default is None:
        return setting.metadata["help"]
    if setting.name == "margin":
        others = [f"{loss}{'' if knows else ' from scratch'}: {m:g}" for (loss, knows), m in MARGINS.items()]
        return f"{setting.metadata['help']}  [default: {'; '.join(others)}]"
    if setting.name == "init":
        best = "; ".join(f"{backbone}: {starts[-1]}" for backbone, starts in STARTS.items())
        return f"{setting.metadata['help']}  [default: {best}]"
    shown = [_shown(setting.default)]
    shown += [f"{start}: {_shown(r[setting.name])}" for start, r in RECIPES.items() if setting.name in r]
    return f"{setting.metadata['help']}  [default: {'; '.join(shown)}]"


def _shown(value: Any) -> str:
    return ", ".join(value) if isinstance(value, tuple) else f"{value:g}" if isinstance(value, float) else str(value)
