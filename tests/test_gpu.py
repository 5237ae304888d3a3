"""What a GPU does: its errors, and batches, of which a stand-in on the CPU runs most here."""

import contextlib
import multiprocessing
import os
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import onnxruntime
import pytest

from facesim import gpu
from facesim.errors import FaceSimError
from facesim.gpu import Batches, check_on_gpu
from facesim.model import Model
from facesim.verifier import Verifier


@pytest.mark.skipif("CUDAExecutionProvider" in onnxruntime.get_available_providers(), reason="this one has a GPU build")
def test_a_gpu_that_onnxruntime_cannot_use_is_a_clear_error():
    with pytest.raises(FaceSimError, match=r"GPU 0 .*onnxruntime-gpu"):
        Model(gpu=0)


@pytest.mark.skipif("CUDAExecutionProvider" not in onnxruntime.get_available_providers(), reason="no GPU build")
def test_a_gpu_is_used_or_refused():
    with contextlib.suppress(FaceSimError):
        assert "CUDAExecutionProvider" in Model(gpu=0)._session.get_providers()


def test_a_session_that_fell_back_to_the_cpu_is_an_error(write_model):
    session = onnxruntime.InferenceSession(str(write_model()), providers=["CPUExecutionProvider"])
    with pytest.raises(FaceSimError, match=r"GPU 0 was asked for, but .* cannot use it.*\.$"):
        check_on_gpu(session, 0)


def test_no_gpu_is_the_cpu(write_model):
    assert Model(write_model(), gpu=None).info
    with pytest.raises(FaceSimError, match="'cuda' is not the number of a GPU"):
        Model(write_model(), gpu="cuda")


@pytest.fixture
def on_gpu(monkeypatch) -> Model:
    """The model that ships, on a stand-in for a GPU that runs batches of four crops."""
    monkeypatch.setattr(gpu, "CUDA", "CPUExecutionProvider")
    monkeypatch.setattr("facesim.model.MAX_BATCH", 4)
    return Model(gpu=0)


def mean_colours(crops: np.ndarray) -> np.ndarray:
    """Stand in for a network: each crop's embedding is its mean colour."""
    return crops.mean(axis=(1, 2), dtype=np.float32)


def crops_of(*levels: int) -> np.ndarray:
    """Return a crop of each grey level."""
    return np.stack([np.full((160, 160, 3), level, np.uint8) for level in levels])


def test_a_batch_moves_no_embedding(on_gpu, model, crops):
    alone = model.embed(crops)
    six = [0, 1, 2, 3, 1, 0]
    for chosen in ([0], [2, 1], six):
        assert on_gpu.embed(crops[chosen]) == pytest.approx(alone[chosen], abs=1e-5)
    assert on_gpu.embed(crops[:0]).shape == (0, model.embedding_size)


def test_many_photos_give_what_they_give_on_the_cpu_and_a_broken_one_fails_alone(on_gpu, verifier, hopper, collins):
    photos = [hopper, "nowhere.jpg", collins, b"no photo", hopper.read_bytes()]
    expected, found = verifier.embed(photos), Verifier(on_gpu).embed(photos)
    np.testing.assert_allclose(found.embeddings, expected.embeddings, atol=1e-5)
    assert found.failures.keys() == {1, 3}
    (verdict,) = Verifier(on_gpu).verify_many([(hopper, collins)])
    assert verdict.distance == pytest.approx(verifier.verify(hopper, collins).distance, abs=1e-5)


def test_who_comes_while_a_batch_runs_is_in_the_next_one():
    begun, go_on, filled = threading.Event(), threading.Event(), []

    def run(batch):
        filled.append(np.count_nonzero(batch.any(axis=(1, 2, 3))))
        begun.set()
        assert go_on.wait(10)
        return mean_colours(batch)

    batches = Batches(8)
    with ThreadPoolExecutor(6) as pool:
        first = pool.submit(batches.embed, crops_of(1), run)
        assert begun.wait(10)
        others = [pool.submit(batches.embed, crops_of(level, level), run) for level in range(2, 7)]
        while len(batches._waiting) < 1 + 10:
            time.sleep(0.001)
        go_on.set()
        assert first.result().tolist() == [[1] * 3]
        assert [other.result().tolist() for other in others] == [[[level] * 3] * 2 for level in range(2, 7)]
    assert filled == [1, 8, 2]


def test_where_memory_is_short_batches_are_halved_until_they_fit():
    sizes = []

    def run(batch):
        sizes.append(len(batch))
        if len(batch) > 2:
            raise RuntimeError("out of memory")
        return mean_colours(batch)

    batches = Batches(8)
    assert batches.embed(crops_of(1, 2, 3, 4, 5), run).tolist() == [[level] * 3 for level in range(1, 6)]
    assert sizes == [8, 4, 2, 2, 2]


def test_a_crop_that_fails_fails_only_for_who_gave_it():
    def run(batch):
        if (batch == 255).any():
            raise RuntimeError("this one does not work")
        return mean_colours(batch)

    batches = Batches(4)
    with ThreadPoolExecutor(4) as pool:
        done = [pool.submit(batches.embed, crops_of(level, 9), run) for level in (1, 255, 2, 255)]
    assert [future.exception() is None for future in done] == [True, False, True, False]
    assert done[2].result().tolist() == [[2] * 3, [9] * 3]


def test_a_network_that_always_fails_on_the_gpu_is_named_with_it(on_gpu, crops, monkeypatch, refuses):
    monkeypatch.setattr(on_gpu, "_output", "no such output")
    with refuses(on_gpu.path) as caught:
        on_gpu.embed(crops)
    assert "fails on GPU 0" in str(caught.value)


def test_a_network_that_never_ends_is_stopped_once(on_gpu, crops, monkeypatch, refuses):
    runs = []

    def run(crops, options):
        runs.append(len(crops))
        while not options.terminate:  # busy: only processor time counts
            pass
        raise RuntimeError("terminated")

    monkeypatch.setattr(on_gpu, "_run", run)
    monkeypatch.setattr("facesim.model.MAX_RUN", 0.05)
    with refuses(on_gpu.path) as caught:
        on_gpu.embed(crops)
    assert "takes over" in str(caught.value)
    assert runs == [4]
    assert on_gpu._batches.size == 4


def test_who_is_interrupted_leaves_the_others_their_turn():
    interrupts = [KeyboardInterrupt()]

    def run(batch):
        if interrupts:
            raise interrupts.pop()
        return mean_colours(batch)

    batches = Batches(4)
    with pytest.raises(KeyboardInterrupt):
        batches.embed(crops_of(1), run)
    assert batches.embed(crops_of(2), run).tolist() == [[2] * 3]


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")
def test_a_forked_process_is_told_that_its_gpu_is_gone():
    batches, fork = Batches(4), multiprocessing.get_context("fork")
    said = fork.SimpleQueue()

    def child():
        try:
            batches.embed(crops_of(1), mean_colours)
        except FaceSimError as error:
            said.put(str(error))

    with batches._turn:  # as another thread of the parent might hold it
        process = fork.Process(target=child)
        process.start()
    process.join(30)
    assert process.exitcode == 0
    assert "start it by spawn" in said.get()
