import json

import pytest

from facesim.errors import FaceSimError
from facesim.training.settings import LOSSES, MINING, STARTS, Settings, option, options


def test_what_is_given_wins_and_the_rest_is_the_best_known_for_the_start():
    settings = Settings.best(init="scratch", backbone="small", epochs=7)
    assert (settings.epochs, settings.photos_per_person, settings.hold) == (7, 4, 0)
    assert Settings.best(epochs=None) == Settings() == Settings.best()
    assert Settings.best(loss="triplet", backbone="small").margin == 0.2
    assert [Settings.best(backbone=name).init for name in STARTS] == [
        "shipped",
        "sources",
        "scratch",
        "imagenet",
        "imagenet",
    ]


@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize("mining", MINING)
@pytest.mark.parametrize(
    ("backbone", "init"), [(backbone, init) for backbone, inits in STARTS.items() for init in (*inits, "my/own.onnx")]
)
def test_every_choice_goes_with_every_other_and_comes_back_from_its_file(tmp_path, loss, mining, backbone, init):
    settings = Settings.best(backbone=backbone, init=init, loss=loss, mining=mining, data=("lfw", "photos"))
    path = tmp_path / "settings.json"
    path.write_text(json.dumps(settings.as_dict()))
    assert Settings.read(path) == settings
    assert Settings.read(path, seed=5, epochs=None).seed == 5


@pytest.mark.parametrize(
    ("backbone", "init"), [("small", "sources"), ("resnet18", "shipped"), ("facesim", "imagenet"), ("facesim", "magic")]
)
def test_a_start_that_does_not_fit_the_backbone_is_refused_with_those_that_do(backbone, init):
    with pytest.raises(FaceSimError, match=f"--init {init}") as refused:
        Settings.best(backbone=backbone, init=init)
    for right in STARTS[backbone]:
        assert right in str(refused.value)


@pytest.mark.parametrize(
    "wrong",
    [
        {"margin": 0},
        {"margin": -0.1},
        {"margin": 2.5},
        {"loss": "triplet", "margin": 4.5},
        {"epochs": -1},
        {"epochs": 0, "localiser_epochs": 0},
        {"learning_rate": 2.0},
        {"augmentation": 3.0},
        {"people_per_batch": 1},
        {"photos_per_person": 1},
        {"max_per_identity": 1},
        {"identities": 1},
        {"folds": 2},
        {"patience": 0},
        {"until_violations": 1.0},
        {"hold": float("nan")},
        {"blend": 1.5},
        {"seed": -1},
        {"backbone": "vgg"},
        {"loss": "softmax"},
        {"mining": "easy"},
    ],
)
def test_settings_without_sense_are_refused_by_name(wrong):
    with pytest.raises(
        FaceSimError, match=f"^{option(list(wrong)[-1] if 'epochs' not in wrong else 'epochs')} "
    ) as refused:
        Settings.best(**wrong)
    assert str(refused.value).endswith(".") or "one of" in str(refused.value)


@pytest.mark.parametrize(
    "text", ["", "[]", "{}", '{"data": "lfw", "init": "dlib"}', '{"data": ["lfw"], "init": "dlib", "colour": "red"}']
)
def test_a_file_that_holds_no_settings_is_refused(tmp_path, refuses, text):
    path = tmp_path / "settings.json"
    path.write_text(text)
    with refuses(path):
        Settings.read(path)


@pytest.mark.parametrize("wrong", [{"epochs": "three"}, {"epochs": 2.5}, {"data": [1]}, {"margin": True}])
def test_a_setting_of_a_wrong_kind_is_refused(tmp_path, refuses, wrong):
    path = tmp_path / "settings.json"
    path.write_text(json.dumps(Settings().as_dict() | wrong))
    with refuses(path):
        Settings.read(path)


def test_every_setting_is_explained():
    for name, kind, _, help, _ in options():
        assert kind in (str, int, float, bool), name
        assert help[0].isupper() or name == "data"
        assert "." in help
