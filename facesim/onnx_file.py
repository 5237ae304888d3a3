"""Inspect an ONNX file before it is loaded: it must be a self-contained network of plain layers.

A file from a stranger could otherwise run forever (loops), grow without bound as it is loaded (functions that call
functions; millions of empty entries), or make ONNX Runtime read other files (external weights). ONNX is a protobuf
message, whose fields state their number, type and length, so that weights can be skipped without reading them.
"""

import mmap
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from facesim.errors import FaceSimError
from facesim.files import write_whole

MAX_FILE = 2**28  # bytes; the largest network that facesim train makes has 45 MB
MAX_REST = 2**23  # bytes besides the weights: metadata, which may name 400,000 people, and the graph
MAX_NODES = 10_000
MAX_FIELDS = 200_000

# Field numbers of onnx.proto: those that hold messages to inspect, and those that no network needs.
_INSIDE = {
    "model": {7: "graph"},
    "graph": {1: "node", 5: "tensor"},
    "node": {5: "attribute"},
    "attribute": {5: "tensor", 10: "tensor"},
    "tensor": {},
}
FUNCTIONS, WEIGHTS_OUTSIDE = "functions", "weights in another file"
_REFUSED = {
    "model": {20: "training steps", 25: FUNCTIONS},
    "graph": {15: "sparse weights"},
    "node": {},
    "attribute": {6: "loops or branches", 11: "loops or branches", 22: "sparse weights", 23: "sparse weights"},
    "tensor": {13: WEIGHTS_OUTSIDE},
}
_DATA_TYPE, _RAW_DATA = 2, 9  # a tensor's fields
_SINGLE, _HALF = 1, 10  # data types
_METADATA, _KEY, _VALUE = 14, 1, 2  # a model's field, an entry's
_VARINT, _BYTES, _FIXED = 0, 2, {1: 8, 5: 4}  # how a value is stored, and how many bytes a number of fixed size has


def check_onnx_file(path: Path) -> None:
    """Raise FaceSimError, saying why, where the file at `path` cannot be a network that facesim has written."""
    unknown = unwanted_in(path)
    if unknown:
        raise FaceSimError(f"{path} has {unknown}, as no model of facesim train has: get one that it made.")


def unwanted_in(path: Path) -> str:
    """Return what the ONNX file at `path` contains that no model file may contain, or "".

    Raises FaceSimError where it is not an ONNX file.
    """
    try:
        if not path.is_file():
            raise FaceSimError(f"{path} is not a file: give an .onnx file.")
        if not 0 < path.stat().st_size <= MAX_FILE:
            raise FaceSimError(f"{path} is empty or over {MAX_FILE >> 20} MB: a model file is neither.")
        with open(path, "rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
            return _walk(data)
    except OSError as error:
        raise FaceSimError(f"{path} cannot be read: {error.strerror}.") from error
    except (ValueError, IndexError) as error:
        raise FaceSimError(f"{path} is not an ONNX model, or damaged: get a whole copy.") from error


def network_fingerprint(path: Path) -> str:
    """Return the SHA-256 of the network in a file that `check_onnx_file` accepts, without its metadata."""
    import hashlib  # a verdict on two photos needs none of its memory

    whole = hashlib.sha256()
    with open(path, "rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
        for number, begin, stop in _fields(data, 0, len(data)):
            if _INSIDE["model"].get(number) == "graph":
                whole.update(memoryview(data)[begin:stop])
    return whole.hexdigest()


def widened_network(path: Path) -> bytes:
    """Return the model in a file that `check_onnx_file` accepts, with half-precision weights in single precision.

    ONNX Runtime would convert them for every crop, which takes a sixth of a crop's time.
    """
    pieces, start = [], 0
    with open(path, "rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
        for number, begin, stop in _fields(data, 0, len(data)):
            is_graph = _INSIDE["model"].get(number) == "graph"
            pieces.append(_bytes_field(number, _widened_graph(data, begin, stop)) if is_graph else data[start:stop])
            start = stop
    return b"".join(pieces)


def _widened_graph(data: mmap.mmap, start: int, end: int) -> bytes:
    pieces = []
    for number, begin, stop in _fields(data, start, end):
        is_tensor = _INSIDE["graph"].get(number) == "tensor"
        pieces.append(_bytes_field(number, _widened_tensor(data, begin, stop)) if is_tensor else data[start:stop])
        start = stop
    return b"".join(pieces)


def _widened_tensor(data: mmap.mmap, start: int, end: int) -> bytes:
    others: list[bytes] = []
    kind = weights = None
    position = start
    for number, begin, stop in _fields(data, start, end):
        if number == _DATA_TYPE:
            kind, _ = _varint(data, begin)
        elif number == _RAW_DATA:
            weights = data[begin:stop]
        else:
            others.append(data[position:stop])
        position = stop
    if kind != _HALF or weights is None or len(weights) % 2:
        return data[start:end]
    single = bytes([_DATA_TYPE << 3 | _VARINT, _SINGLE])
    return b"".join([*others, single, _bytes_field(_RAW_DATA, np.frombuffer(weights, "<f2").astype("<f4").tobytes())])


def write_metadata(path: Path, entries: dict[str, str]) -> None:
    """Set metadata entries, by key, in a file that `check_onnx_file` accepts; every other byte stays as it is.

    Raises FaceSimError, and leaves the file alone, where it cannot be written.
    """
    with write_whole(path) as scratch, open(path, "rb") as file, open(scratch, "wb") as changed:
        with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
            start = 0
            for number, begin, stop in _fields(data, 0, len(data)):
                if number != _METADATA or _key_of(data, begin, stop) not in entries:
                    changed.write(data[start:stop])
                start = stop
        for key, value in entries.items():
            entry = _bytes_field(_KEY, key.encode()) + _bytes_field(_VALUE, value.encode())
            changed.write(_bytes_field(_METADATA, entry))


def _key_of(data: mmap.mmap, start: int, end: int) -> str:
    return next((data[begin:stop].decode() for number, begin, stop in _fields(data, start, end) if number == _KEY), "")


def _bytes_field(number: int, value: bytes) -> bytes:
    """Return a field that holds bytes, as protobuf stores it."""
    key_and_length = bytearray()
    for part in (number << 3 | _BYTES, len(value)):
        while part > 127:
            key_and_length.append(part & 127 | 128)
            part >>= 7
        key_and_length.append(part)
    return bytes(key_and_length) + value


def _walk(data: mmap.mmap) -> str:
    """Walk through a model's messages; return what it contains that it must not contain, or "".

    Raises ValueError or IndexError where it is not a protobuf message.
    """
    inside = [("model", 0, len(data))]
    fields = nodes = weights = 0
    while inside:
        message, start, end = inside.pop()
        nodes += message == "node"
        for number, begin, stop in _fields(data, start, end):
            fields += 1
            if nodes > MAX_NODES or fields > MAX_FIELDS:
                return f"over {MAX_NODES:,} layers, or {MAX_FIELDS:,} entries in them"
            if number in _REFUSED[message]:
                return _REFUSED[message][number]
            if number in _INSIDE[message]:
                inside.append((_INSIDE[message][number], begin, stop))
            elif message == "tensor" and number == _RAW_DATA:
                weights += stop - begin
    rest = len(data) - weights
    return f"{rest >> 20} MB besides its weights" if rest > MAX_REST else ""


def _fields(data: mmap.mmap, start: int, end: int) -> Iterator[tuple[int, int, int]]:
    """Yield each field of the message between `start` and `end`: its number, and where its value begins and ends."""
    position = start
    while position < end:
        key, position = _varint(data, position)
        kind, begin = key & 7, position
        if kind == _BYTES:
            length, begin = _varint(data, position)
            position = begin + length
        elif kind == _VARINT:
            _, position = _varint(data, position)
        elif kind in _FIXED:
            position += _FIXED[kind]
        else:
            raise ValueError(f"protobuf has no kind {kind}")
        if position > end:
            raise ValueError("a field is longer than what holds it")
        yield key >> 3, begin, position


def _varint(data: mmap.mmap, start: int) -> tuple[int, int]:
    """Return the number stored at `start`, seven bits a byte, the lowest first, and where it ends."""
    value, position = data[start], start + 1
    if value < 128:
        return value, position
    value &= 127
    for shift in range(7, 64, 7):
        byte = data[position]
        position += 1
        value |= (byte & 127) << shift
        if byte < 128:
            return value, position
    raise ValueError("a number is longer than ten bytes")
