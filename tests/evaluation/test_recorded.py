import json

import numpy as np
import onnx
import pytest

from facesim.data.cache import CachedCrops
from facesim.data.dataset import Dataset
from facesim.data.pairs import all_pairs
from facesim.data.source import Source
from facesim.errors import FaceSimError
from facesim.evaluation.groups import measure_groups
from facesim.evaluation.protocol import Protocol
from facesim.evaluation.recorded import write_measured
from facesim.evaluation.scoring import Scores
from facesim.model import Model
from facesim.model_info import Measured, info_to_metadata
from facesim.onnx_file import write_metadata

POINT = {"name": "FMR 1 %", "threshold": 0.3, "fmr": 0.01, "fnmr": 0.02, "genuine": 600, "impostor": 600}


@pytest.fixture
def own(write_model) -> Model:
    """A model file with one operating point, at 0.3."""
    return Model(write_model(threshold="0.3", operating_points=json.dumps([POINT]), trained_on='{"data": "lfw"}'))


@pytest.fixture
def make_scores(tmp_path):
    """Scores of sixteen people with two photos each: the first four are all taken for each other, nobody is missed."""
    identities = np.repeat([f"{i:02}" for i in range(16)], 2)
    rows = [f"{i:02},{'few' if i < 8 else 'many'}" for i in range(16)]
    (tmp_path / "people.csv").write_text("\n".join(["identity,kind", *rows]))

    def make(name="web"):
        files = tuple(f"{i}.jpg" for i in range(32))
        dataset = Dataset(name, tmp_path, files, identities)
        crops = CachedCrops(np.zeros((32, 1)), {}, np.ones(32, int), np.ones((32, 2), int), np.full(32, "hog"))
        pairs = all_pairs(identities)
        distances = np.where(pairs.same | (pairs.second < 8), 0.2, 1.0)
        return Scores(Protocol(name, Source((dataset,), dataset, np.ones(32, bool), ()), pairs), crops, distances, None)

    return make


def test_what_is_recorded_is_read_back_beside_the_point_and_the_network_stays(own, make_scores):
    before, network, fingerprint = own.path.read_bytes(), onnx.load(own.path).graph, own.fingerprint
    info = write_measured(make_scores(), own, measure_groups(make_scores(), own.info, ["kind"]))
    again = Model(own.path)
    assert again.info == info
    (point,) = again.info.operating_points
    assert (point.fmr, point.fnmr, point.genuine) == (POINT["fmr"], POINT["fnmr"], POINT["genuine"])
    assert point.measured == (
        Measured("web", "", 24 / 480, None, 16, 480),
        Measured("web", "few", 24 / 112, None, 8, 112),
        Measured("web", "many", 0.0, None, 8, 112),
        Measured("web", "few × many", 0.0, None, 0, 256),
    )
    assert again.fingerprint == fingerprint
    assert onnx.load(own.path).graph == network
    assert before != own.path.read_bytes()


def test_the_same_data_measured_again_take_their_place_and_other_data_stay(own, make_scores):
    for name in ("web", "street", "web"):
        write_measured(make_scores(name), Model(own.path))
    (point,) = Model(own.path).info.operating_points
    assert [one.data for one in point.measured] == ["street", "web"]


def test_the_worst_is_the_group_with_the_highest_fmr_and_is_said(own, make_scores):
    assert own.info.operating_points[0].worst is None
    assert (own.info.worst_at(0.3), own.info.worst_text(0.3)) == ({}, "")
    info = write_measured(make_scores(), own, measure_groups(make_scores(), own.info, ["kind"]))
    assert info.operating_points[0].worst.group == "few"
    assert info.worst_text(0.3) == "FMR 1 % on lfw; up to 21.4 % on web (few)"
    assert info.worst_text(0.29) == info.worst_text(0.3)  # stricter: what the point states is a bound
    assert info.worst_text(0.31) == ""  # laxer than all that was measured
    assert info.worst_at(0.3)["operating_point"]["worst"]["fmr"] == pytest.approx(24 / 112)
    assert write_measured(make_scores(), own).worst_text(0.3) == "FMR 1 % on lfw; up to 5 % on web"


def test_a_file_that_cannot_be_written_is_left_as_it_was(own, make_scores, monkeypatch):
    before = own.path.read_bytes()
    monkeypatch.setattr("facesim.evaluation.recorded.MAX_MEASURED", 0)
    with pytest.raises(FaceSimError, match="would hold over 0 measures"):
        write_measured(make_scores(), own)
    monkeypatch.undo()

    def fail(number, value):
        raise OSError(28, "No space left")

    monkeypatch.setattr("facesim.onnx_file._bytes_field", fail)
    with pytest.raises(FaceSimError, match="No space left"):
        write_measured(make_scores(), own)
    assert own.path.read_bytes() == before
    assert list(own.path.parent.glob(".model*")) == []


def test_a_file_without_operating_points_has_none_to_measure(write_model, make_scores, refuses):
    path = write_model("bare.onnx", operating_points="[]")
    with refuses(path):
        write_measured(make_scores(), Model(path))


def test_metadata_are_set_as_the_onnx_package_reads_them_and_all_else_stays(own):
    write_metadata(own.path, {"facesim.threshold": "0.25", "new": "ü" * 300})
    file = onnx.load(own.path)
    entries = {entry.key: entry.value for entry in file.metadata_props}
    assert entries == info_to_metadata(own.info) | {"facesim.threshold": "0.25", "new": "ü" * 300}
    assert len(file.metadata_props) == len(entries)
    assert Model(own.path).info.threshold == 0.25
    assert (file.producer_name, file.ir_version, len(file.opset_import)) == ("", 8, 1)
