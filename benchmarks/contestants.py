"""The contestants of speed.py: facesim, its peers (peers.py), and the floor, each run in a Python of its own.

The floor is what no tool on these libraries gets round: their imports, one look of the detector at each photo, one pass
of the network over each crop, called bare. It has no code of facesim's: no second look, no check, no verdict.

python -c "import contestants; contestants.main()" floor compare A B     one pair, from a cold start
python -c "import contestants; contestants.main()" floor serve           what stdin asks for, a JSON object per line
python -c "import contestants; contestants.main()" opencv describe       features of the photos in stdin, as .npy
"""

# Nothing is imported up here that any contestant could do without: a cold start pays for it.
import functools
import json
import os
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
MODEL = ROOT / "models" / "facesim.onnx"
DETECTOR = ROOT / "facesim" / "detector" / "hog.svm"
LOOK_SIDE, CROP_SIDE, MARGIN = 640, 160, 0.2  # pixels, pixels and a share of the face's box, as facesim has them
EMBEDDING_SIZE = 128
YUNET_SURE = 0.6  # as in OpenCV's model zoo; with 0.9, the default, YuNet misses many faces in tight crops
OPENCV_WEIGHTS = ("face_detection_yunet_2023mar.onnx", "face_recognition_sface_2021dec.onnx")


def main() -> None:
    name, verb, *photos = sys.argv[1:]
    if verb == "compare":
        CONTESTANTS[name](once=True).compare(*photos)
    elif verb == "describe":
        describe(sys.stdin.read().splitlines())
    else:
        serve(CONTESTANTS[name](once=False))


def serve(contestant) -> None:
    """Do what each line of stdin asks for, and print the seconds that it took.

    {"compare": [[A, B]]}, {"embed": [[A, B, …]]}, {"distances": [n]}: a method, and its arguments.
    """
    for line in sys.stdin:
        [(method, arguments)] = json.loads(line).items()
        start = time.perf_counter()
        getattr(contestant, method)(*arguments)
        print(time.perf_counter() - start, flush=True)


class FaceSim:
    """facesim, from Python; its cold start is predict.py's."""

    def __init__(self, once: bool):
        from facesim import Verifier

        self._verifier = Verifier()

    def compare(self, photo1: str, photo2: str) -> None:
        self._verifier.verify(photo1, photo2)

    def embed(self, photos: list[str]) -> None:
        self._verifier.embed(photos)


class FaceRecognition:
    """face_recognition, called as its README and its command line do."""

    def __init__(self, once: bool):
        import face_recognition

        self._tool = face_recognition

    def compare(self, photo1: str, photo2: str) -> None:
        self._tool.face_distance([encode(photo1)], encode(photo2))

    def embed(self, photos: list[str]) -> None:
        in_all_cores(encode, photos)

    def distances(self, count: int) -> None:
        from numpy import zeros

        for _ in range(count):
            self._tool.face_distance([zeros(EMBEDDING_SIZE)], zeros(EMBEDDING_SIZE))


def encode(path: str):
    """Return the encoding of a photo's first face, or None; a look upsampled once, by HOG, is the tool's default."""
    import face_recognition

    photo = face_recognition.load_image_file(path)
    encodings = face_recognition.face_encodings(photo, face_recognition.face_locations(photo))
    return encodings[0] if encodings else None


class OpenCV:
    """OpenCV's YuNet and SFace, called as its tutorial does."""

    def __init__(self, once: bool):
        opencv_tools()

    def compare(self, photo1: str, photo2: str) -> None:
        self._match(opencv_feature(photo1), opencv_feature(photo2))

    def embed(self, photos: list[str]) -> None:
        in_all_cores(opencv_feature_alone, photos)

    def distances(self, count: int) -> None:
        from numpy import float32, ones

        for _ in range(count):
            self._match(ones((1, EMBEDDING_SIZE), float32), ones((1, EMBEDDING_SIZE), float32))

    def _match(self, feature1, feature2) -> float:
        import cv2

        _, recogniser = opencv_tools()
        return recogniser.match(feature1, feature2, cv2.FaceRecognizerSF_FR_NORM_L2)


@functools.cache
def opencv_tools():
    """Return OpenCV's detector and recogniser, with the weights that peers.py has put into this environment."""
    import cv2

    yunet, sface = (str(Path(sys.prefix) / name) for name in OPENCV_WEIGHTS)
    detector = cv2.FaceDetectorYN.create(yunet, "", (LOOK_SIDE, LOOK_SIDE), YUNET_SURE)
    return detector, cv2.FaceRecognizerSF.create(sface, "")


def opencv_feature(path: str):
    """Return the feature `(1, 128)` of a photo's largest face, or None.

    A photo is made smaller where it is larger than LOOK_SIDE: YuNet looks for faces of up to 300 pixels, and finds none
    in a portrait of 12 megapixels.
    """
    import cv2

    detector, recogniser = opencv_tools()
    photo = cv2.imread(path)
    scale = LOOK_SIDE / max(photo.shape)
    if scale < 1:
        photo = cv2.resize(photo, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
    detector.setInputSize(photo.shape[1::-1])
    _, faces = detector.detect(photo)
    if faces is None:
        return None
    largest = max(faces, key=lambda face: face[2] * face[3])
    return recogniser.feature(recogniser.alignCrop(photo, largest))


def opencv_feature_alone(path: str):
    """Return the feature, using one core: the others have photos of their own."""
    import cv2

    cv2.setNumThreads(1)
    return opencv_feature(path)


def describe(photos: list[str]) -> None:
    """Write OpenCV's features of unit length, `(n, 128)`, to stdout; NaN where no face is found."""
    import io

    import numpy as np

    features = np.full((len(photos), EMBEDDING_SIZE), np.nan, np.float32)
    for row, feature in zip(features, in_all_cores(opencv_feature_alone, photos), strict=True):
        if feature is not None:
            row[:] = feature / np.linalg.norm(feature)
    whole = io.BytesIO()
    np.save(whole, features)  # which needs a file that it can seek in
    sys.stdout.buffer.write(whole.getvalue())


class Floor:
    """What is left of a comparison without a tool around it."""

    def __init__(self, once: bool):
        self._once = once
        bare_tools(once)

    def compare(self, photo1: str, photo2: str) -> None:
        from numpy.linalg import norm

        norm(embed_bare(photo1, self._once) - embed_bare(photo2, self._once))

    def embed(self, photos: list[str]) -> None:
        in_all_cores(embed_bare, photos)

    def distances(self, count: int) -> None:
        from numpy import zeros
        from numpy.linalg import norm

        for _ in range(count):
            norm(zeros(EMBEDDING_SIZE) - zeros(EMBEDDING_SIZE))


@functools.cache
def bare_tools(once: bool):
    """Return the detector and the session: one that is there soonest, or one that runs fastest."""
    import dlib
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4
    options.intra_op_num_threads = 1
    level = onnxruntime.GraphOptimizationLevel
    options.graph_optimization_level = level.ORT_ENABLE_BASIC if once else level.ORT_ENABLE_ALL
    session = onnxruntime.InferenceSession(str(MODEL), options, providers=["CPUExecutionProvider"])
    return dlib.fhog_object_detector(str(DETECTOR)), session


def embed_bare(path: str, once: bool = False):
    """Embed the first face found, or, where none is found, the whole photo: the work is the same."""
    import numpy as np
    from PIL import Image

    detector, session = bare_tools(once)
    photo = Image.open(path).convert("RGB")
    scale = min(1, LOOK_SIDE / max(photo.size))
    look = photo
    if scale < 1:
        look_size = [round(side * scale) for side in photo.size]
        look = photo.resize(look_size, Image.Resampling.BILINEAR, reducing_gap=2.0)
    boxes, _, _ = detector.run(np.asarray(look), 0, 0.0)
    left, top, right, bottom = 0, 0, *look.size
    if boxes:
        margin = MARGIN * boxes[0].width()
        left, top = max(left, boxes[0].left() - margin), max(top, boxes[0].top() - margin)
        right, bottom = min(right, boxes[0].right() + margin), min(bottom, boxes[0].bottom() + margin)
    box = [edge / scale for edge in (left, top, right, bottom)]
    crop = photo.resize((CROP_SIDE, CROP_SIDE), Image.Resampling.BICUBIC, box, reducing_gap=3.0)
    return session.run(None, {session.get_inputs()[0].name: np.asarray(crop)[None]})[0][0]


def in_all_cores(embed, photos: list[str]) -> list:
    return list(pool().imap(embed, photos, chunksize=4))


@functools.cache
def pool():
    """Return as many processes as there are cores; they stay, so that only the first call waits for their start."""
    import multiprocessing

    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    return multiprocessing.get_context("spawn").Pool(cores)


CONTESTANTS = {"facesim": FaceSim, "face_recognition": FaceRecognition, "opencv": OpenCV, "floor": Floor}
