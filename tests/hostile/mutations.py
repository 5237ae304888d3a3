"""Small whole files of every format that facesim reads, and ways to damage them that a decoder does not see at once."""

import contextlib
import importlib.util
import io
import json
import math
import struct
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import onnx
from hypothesis import strategies as st
from onnx import helper
from PIL import Image, ImageCms

from facesim.model import Model
from facesim.model_info import info_to_metadata

SIDE = 120  # pixels: a face is found, and a case takes milliseconds
EXTREMES = (0, 1, 2, 3, 4, 8, 9, 15, 16, 32, 127, 128, 255, 256, 4096, 16383, 32767, 32768, 65535, 65536)
EXTREMES += (2**24, 2**28, 2**31 - 1, 2**31, 2**32 - 1)
Field = tuple[int, int, str]  # a number in a file: where it lies, its bytes, their order


def whole_photos(portrait: Path) -> dict[str, bytes]:
    """Return photos of one face, each in another format or kind of pixel."""
    with Image.open(portrait) as photo:
        rgb = photo.convert("RGB").resize((SIDE, SIDE * photo.height // photo.width), Image.Resampling.LANCZOS)
    exif = Image.Exif()
    exif[274] = 6
    exif[271] = "a camera"
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("LAB", 5000)).tobytes()
    srgb = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes().replace(b"sRGB", b"mine")
    sideways = rgb.transpose(Image.Transpose.ROTATE_90)  # as the EXIF says
    rgba, grey = rgb.convert("RGBA"), rgb.convert("L")
    rgba.putalpha(grey)
    palette = rgb.quantize(32)
    deep = Image.frombytes("I;16", grey.size, (np.asarray(grey, np.uint16) * 257).tobytes())

    def frames() -> dict:  # each time others: an encoder leaves its settings in them
        return {"save_all": True, "append_images": [rgb.rotate(90), rgb.rotate(180)]}

    about = {"exif": exif, "icc_profile": srgb}
    images = {
        "baseline.jpg": (rgb, {}),
        "progressive.jpg": (sideways, {"progressive": True, **about}),
        "ink.jpg": (rgb.convert("CMYK"), {"icc_profile": profile}),
        "grey.jpg": (grey, {"restart_marker_rows": 1}),
        "two.mpo": (rgb, frames()),
        "rgb.png": (sideways, about),
        "alpha.png": (rgba, {"compress_level": 0}),
        "palette.png": (palette, {"transparency": bytes(range(32))}),
        "deep.png": (deep, {}),
        "bits.png": (rgb.convert("1"), {}),
        "animated.png": (rgb, frames()),
        "lossy.webp": (sideways, about),
        "lossless.webp": (rgba, {"lossless": True}),
        "animated.webp": (rgb, frames()),
        "still.gif": (rgb, {"transparency": 3}),
        "animated.gif": (rgb, frames()),
        "raw.tiff": (sideways, {"exif": exif}),
        "lzw.tiff": (palette, {"compression": "tiff_lzw"}),
        "deflate.tiff": (rgb.convert("CMYK"), {"compression": "tiff_deflate", "icc_profile": profile}),
        "jpeg.tiff": (rgb, {"compression": "jpeg"}),
        "fax.tiff": (rgb.convert("1"), {"compression": "group4"}),
        "deep.tiff": (deep, {"compression": "packbits"}),
        "float.tiff": (grey.convert("F"), {"compression": "tiff_adobe_deflate"}),
        "pages.tiff": (rgb, frames()),
        "rgb.bmp": (rgb, {}),
        "palette.bmp": (palette, {}),
        "rgb.ppm": (rgb, {}),
        "rgb.jp2": (rgb, {}),
        "rgb.avif": (sideways, {"speed": 10, **about}),
    }
    photos = {"interlaced.png": _interlaced(np.asarray(grey))}
    for name, (image, options) in images.items():
        content = io.BytesIO()
        image.copy().save(content, Image.registered_extensions()[Path(name).suffix], **options)
        photos[name] = content.getvalue()
    if importlib.util.find_spec("pillow_heif"):
        import pillow_heif

        content = io.BytesIO()
        pillow_heif.from_pillow(rgb).save(content)
        photos["rgb.heic"] = content.getvalue()
    return photos


def _interlaced(grey: np.ndarray) -> bytes:
    """Return a PNG in Adam7's seven passes, which Pillow reads and does not write."""
    rows = b""
    for top, left, down, across in ((0, 0, 8, 8), (0, 4, 8, 8), (4, 0, 8, 4), (0, 2, 4, 4), (2, 0, 4, 2), (0, 1, 2, 2)):
        rows += b"".join(b"\0" + row.tobytes() for row in grey[top::down, left::across])
    rows += b"".join(b"\0" + row.tobytes() for row in grey[1::2])
    header = struct.pack(">IIBBBBB", grey.shape[1], grey.shape[0], 8, 0, 0, 0, 1)
    chunks = ((b"IHDR", header), (b"IDAT", zlib.compress(rows)), (b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(png_chunk(kind, data) for kind, data in chunks)


def png_chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def whole_models() -> dict[str, bytes]:
    """Return a tiny model file with all that a model says of itself, and the one that ships, with fewer people."""
    info = Model().info
    about = {name: value for name, value in info.trained_on.items() if not name.endswith("_identities")}
    about |= {"train_identities": ["Ana", "Bo"], "validation_identities": ["Cy"], "test_identities": ["Di"]}
    metadata = info_to_metadata(info) | {"facesim.trained_on": json.dumps(about | {"begun_from": about})}
    weights = np.random.default_rng(0).normal(size=(8, 3, 5, 5)).astype(np.float32)
    steps = [
        helper.make_node("Cast", ["crops"], ["pixels"], to=onnx.TensorProto.FLOAT),
        helper.make_node("Transpose", ["pixels"], ["planes"], perm=[0, 3, 1, 2]),
        helper.make_node("Conv", ["planes", "weights"], ["seen"], strides=[4, 4], pads=[2, 2, 2, 2]),
        helper.make_node("Relu", ["seen"], ["known"]),
        helper.make_node("MaxPool", ["known"], ["few"], kernel_shape=[3, 3], strides=[2, 2]),
        helper.make_node("Slice", ["few", "starts", "ends"], ["fewer"]),
        helper.make_node("Pad", ["fewer", "borders"], ["more"]),
        helper.make_node("ReduceMean", ["more"], ["means"], axes=[2, 3], keepdims=0),
        helper.make_node("LpNormalization", ["means"], ["embeddings"], axis=1, p=2),
    ]
    numbers = {"starts": [0, 0, 0, 0], "ends": [9, 8, 12, 12], "borders": [0, 0, 1, 1, 0, 0, 1, 1]}
    tensors = [onnx.numpy_helper.from_array(np.array(value, np.int64), name) for name, value in numbers.items()]
    tensors.append(onnx.numpy_helper.from_array(weights, "weights"))
    crops = helper.make_tensor_value_info("crops", onnx.TensorProto.UINT8, ["n", 160, 160, 3])
    embeddings = helper.make_tensor_value_info("embeddings", onnx.TensorProto.FLOAT, ["n", 8])
    graph = helper.make_graph(steps, "tiny", [crops], [embeddings], tensors)
    tiny = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    shipped = onnx.load(Model().path)
    models = {}
    for name, file in (("tiny.onnx", tiny), ("shipped.onnx", shipped)):
        del file.metadata_props[:]
        helper.set_model_props(file, metadata)
        models[name] = file.SerializeToString()
    return models


# Where a file's numbers lie: sizes, counts, dimensions. A damaged file may have any bytes, so whoever looks for them
# ends quietly where there are no more.


def number_fields(name: str, data: bytes) -> list[Field]:
    """Return the numbers by which a decoder of this file format allocates, seeks and counts."""
    find = _FINDERS.get(Path(name).suffix)
    found = []
    with contextlib.suppress(struct.error, IndexError):
        found.extend(find(data) if find else ())
    return [field for field in found if field[0] + field[1] <= len(data)]


def _png(data: bytes) -> Iterator[Field]:
    place = 8
    while place + 12 <= len(data):
        (length,) = struct.unpack_from(">I", data, place)
        yield place, 4, ">"
        yield from _numbers(place + 8, min(length, 26), 4, ">")
        yield from _numbers(place + 8, min(length, 26), 1, ">")
        place += 12 + length


def _jpeg(data: bytes) -> Iterator[Field]:
    place = 2
    while place + 4 <= len(data) and data[place] == 0xFF:
        marker, length = struct.unpack_from(">HH", data, place)
        yield place + 1, 1, ">"
        yield place + 2, 2, ">"
        yield from _numbers(place + 4, min(length, 24), 1, ">")
        if marker in (0xFFC0, 0xFFC2):
            yield place + 5, 2, ">"
            yield place + 7, 2, ">"
        if data[place + 4 : place + 8] in (b"Exif", b"MPF\0"):
            start = place + (10 if data[place + 4 : place + 8] == b"Exif" else 8)
            yield from ((start + at, width, order) for at, width, order in _tiff(data[start : place + 2 + length]))
        if marker == 0xFFDA:
            return
        place += 2 + length


def _riff(data: bytes) -> Iterator[Field]:
    yield 4, 4, "<"
    place = 12
    while place + 8 <= len(data):
        (length,) = struct.unpack_from("<I", data, place + 4)
        yield place + 4, 4, "<"
        for width in (1, 2, 3):
            yield from _numbers(place + 8, min(length, 24), width, "<")
        place += 8 + length + length % 2


def _gif(data: bytes) -> Iterator[Field]:
    yield 6, 2, "<"
    yield 8, 2, "<"
    yield 10, 1, "<"
    place = data.find(b"\x2c")
    while place >= 0:
        yield from _numbers(place + 1, 8, 2, "<")
        yield place + 9, 1, "<"
        yield place + 10, 1, "<"
        place = data.find(b"\x2c", place + 1)


def _tiff(data: bytes) -> Iterator[Field]:
    order = "<" if data[:2] == b"II" else ">"
    yield 4, 4, order
    (place,) = struct.unpack_from(f"{order}I", data, 4)
    for _ in range(3):  # pages
        (entries,) = struct.unpack_from(f"{order}H", data, place)
        yield place, 2, order
        for entry in range(min(entries, 30)):
            at = place + 2 + 12 * entry
            yield from ((at, 2, order), (at + 2, 2, order), (at + 4, 4, order), (at + 8, 4, order), (at + 8, 2, order))
        following = place + 2 + 12 * entries
        yield following, 4, order
        (place,) = struct.unpack_from(f"{order}I", data, following)
        if not place:
            return


def _bmp(data: bytes) -> Iterator[Field]:
    yield from _numbers(2, 52, 4, "<")
    yield from _numbers(26, 4, 2, "<")


def _boxes(data: bytes) -> Iterator[Field]:
    """Of ISO base media files: AVIF, HEIC, JPEG 2000."""
    yield from _numbers(0, min(len(data), 600), 4, ">")
    yield from _numbers(0, min(len(data), 600), 1, ">")


def _protobuf(data: bytes, start: int = 0, end: int | None = None, depth: int = 0) -> Iterator[Field]:
    """Keys, lengths and small numbers, of messages within messages."""
    place, end = start, len(data) if end is None else end
    while place < end:
        key, begin = _varint(data, place)
        yield place, 1, "<"
        value, after = _varint(data, begin)
        if key & 7 == 0:
            yield begin, 1, "<"
            place = after
        elif key & 7 == 2:
            yield begin, after - begin, "<"
            if depth < 5 and value < 5000:
                yield from _protobuf(data, after, min(end, after + value), depth + 1)
            elif value < 5000:
                yield from _numbers(after, value, 8, "<")
            place = after + value
        else:
            return


def _varint(data: bytes, place: int) -> tuple[int, int]:
    value = shift = 0
    while data[place] > 127 and shift < 63:
        value |= (data[place] & 127) << shift
        place, shift = place + 1, shift + 7
    return value | data[place] << shift, place + 1


def _numbers(place: int, length: int, width: int, order: str) -> Iterator[Field]:
    for at in range(place, place + length - width + 1, width):
        yield at, width, order


_FINDERS: dict[str, Callable[[bytes], Iterator[Field]]] = {
    **dict.fromkeys((".jpg", ".mpo"), _jpeg),
    **dict.fromkeys((".avif", ".heic", ".jp2"), _boxes),
    ".png": _png,
    ".webp": _riff,
    ".gif": _gif,
    ".tiff": _tiff,
    ".bmp": _bmp,
    ".onnx": lambda data: _protobuf(data[:200_000] if len(data) > 10**6 else data),
}

# A mutation is a tuple that says what is done and where, as a share of the file, so that it fits any file.

_SHARE = st.integers(0, 9999)
_MUTATION = st.one_of(
    st.tuples(st.just("number"), st.integers(0, 999), st.sampled_from(EXTREMES)),
    st.tuples(st.just("number"), st.integers(0, 999), st.sampled_from(EXTREMES)),
    st.tuples(st.just("nudge"), st.integers(0, 999), st.integers(-3, 3)),
    st.tuples(st.just("flip"), _SHARE, st.integers(0, 7)),
    st.tuples(st.just("bytes"), _SHARE, st.binary(min_size=1, max_size=8)),
    st.tuples(st.just("cut"), _SHARE),
    st.tuples(st.just("drop"), _SHARE, st.sampled_from(EXTREMES[1:16])),
    st.tuples(st.just("repeat"), _SHARE, st.sampled_from(EXTREMES[1:16]), st.integers(1, 50)),
    st.tuples(st.just("swap"), _SHARE, _SHARE, st.sampled_from(EXTREMES[1:14])),
    st.tuples(st.just("splice"), _SHARE, st.integers(0, 99), _SHARE),
    st.tuples(st.just("insert"), _SHARE, st.binary(min_size=1, max_size=20)),
)
_JSON = st.one_of(
    st.sampled_from((None, True, -1, 0, 1, 3, 10**30, 1e308, math.nan, math.inf, "", "x" * 10_000, [], {}, [[]])),
    st.recursive(st.integers() | st.text(max_size=3), lambda part: st.lists(part) | st.dictionaries(st.text(), part)),
)
_METADATA = st.tuples(st.just("metadata"), st.integers(0, 7), st.lists(st.integers(0, 9), max_size=4), _JSON)


def mutations(names: list[str]) -> st.SearchStrategy[tuple[str, list[tuple], bool]]:
    """Draw a file's name, what is done to it, and whether checksums are mended, so that the damage goes further in."""

    def of(name: str):
        kinds = _MUTATION | _METADATA if name.endswith(".onnx") else _MUTATION
        return st.tuples(st.just(name), st.lists(kinds, min_size=1, max_size=3), st.booleans())

    return st.sampled_from(names).flatmap(of)


def mutate(files: dict[str, bytes], name: str, steps: list[tuple], mended: bool) -> bytes:
    """Return one of the whole files, damaged step by step."""
    data = files[name]
    same_kind = [other for other in files.values() if len(other) < 10**6]
    for kind, *details in steps:
        if not data:
            break
        data = _STEPS[kind](data, name, same_kind, *details)
    return _with_right_checksums(data) if mended and name.endswith(".png") else data


def _at(data: bytes, share: int) -> int:
    return share * len(data) // 10_000


def _set_number(data: bytes, name: str, others: list[bytes], which: int, value: int) -> bytes:
    fields = number_fields(name, data)
    if not fields:
        return data
    place, width, order = fields[which * len(fields) // 1000]
    number = (value % 2 ** (8 * width)).to_bytes(width, "little" if order == "<" else "big")
    return data[:place] + number + data[place + width :]


def _nudge(data: bytes, name: str, others: list[bytes], which: int, by: int) -> bytes:
    fields = number_fields(name, data)
    if not fields:
        return data
    place, width, order = fields[which * len(fields) // 1000]
    before = int.from_bytes(data[place : place + width], "little" if order == "<" else "big")
    return _set_number(data, name, others, which, before + by)


def _flip(data: bytes, name: str, others: list[bytes], share: int, bit: int) -> bytes:
    place = _at(data, share)
    return data[:place] + bytes([data[place] ^ 1 << bit]) + data[place + 1 :]


def _overwrite(data: bytes, name: str, others: list[bytes], share: int, content: bytes) -> bytes:
    place = _at(data, share)
    return data[:place] + content + data[place + len(content) :]


def _insert(data: bytes, name: str, others: list[bytes], share: int, content: bytes) -> bytes:
    return data[: _at(data, share)] + content + data[_at(data, share) :]


def _cut(data: bytes, name: str, others: list[bytes], share: int) -> bytes:
    return data[: _at(data, share)]


def _drop(data: bytes, name: str, others: list[bytes], share: int, length: int) -> bytes:
    return data[: _at(data, share)] + data[_at(data, share) + length :]


def _repeat(data: bytes, name: str, others: list[bytes], share: int, length: int, times: int) -> bytes:
    place = _at(data, share)
    return data[:place] + data[place : place + length] * times + data[place + length :]


def _swap(data: bytes, name: str, others: list[bytes], first: int, second: int, length: int) -> bytes:
    first, second = sorted((_at(data, first), _at(data, second)))
    length = min(length, second - first)
    one, other = data[first : first + length], data[second : second + length]
    return data[:first] + other + data[first + length : second] + one + data[second + length :]


def _splice(data: bytes, name: str, others: list[bytes], share: int, which: int, behind: int) -> bytes:
    other = others[which % len(others)]
    return data[: _at(data, share)] + other[_at(other, behind) :]


def _metadata(data: bytes, name: str, others: list[bytes], which: int, way: list[int], value) -> bytes:
    """Put a value in the place of another within a field of a model's metadata."""
    try:
        file = onnx.load_model_from_string(data)
        entry = file.metadata_props[which % len(file.metadata_props)]
        whole = json.loads(entry.value)
    except Exception:  # damaged before
        return data
    inside, key, holder = whole, None, None
    for step in way:
        if not isinstance(inside, (dict, list)) or not inside:
            break
        holder = inside
        key = (list(inside) if isinstance(inside, dict) else range(len(inside)))[step % len(inside)]
        inside = inside[key]
    if holder is None:
        whole = value
    else:
        holder[key] = value
    entry.value = json.dumps(whole)
    return file.SerializeToString()


def _with_right_checksums(data: bytes) -> bytes:
    place = 8
    while place + 12 <= len(data):
        (length,) = struct.unpack_from(">I", data, place)
        end = place + 8 + length
        data = data[:end] + struct.pack(">I", zlib.crc32(data[place + 4 : end])) + data[end + 4 :]
        place = end + 4
    return data


_STEPS = {
    "number": _set_number,
    "nudge": _nudge,
    "flip": _flip,
    "bytes": _overwrite,
    "cut": _cut,
    "drop": _drop,
    "repeat": _repeat,
    "swap": _swap,
    "splice": _splice,
    "insert": _insert,
    "metadata": _metadata,
}
