"""Small files that claim to be, or decode to, very large photos; and files that are large themselves."""

import io
import struct
import zlib

from mutations import png_chunk
from PIL import Image

WIDE, HIGH = 9480, 9490  # 89,965,200 pixels: just under the limit
LONG = 16380, 5490  # as many, in the shape that WebP allows


def _deflated(length: int) -> bytes:
    """Return so many zero bytes, deflated, without ever holding them."""
    packer = zlib.compressobj(9)
    block = bytes(2**20)
    packed = [packer.compress(block[: min(len(block), length - start)]) for start in range(0, length, len(block))]
    return b"".join(packed) + packer.flush()


def png(bits: int, colour: int, *more: bytes, size: tuple[int, int] = (WIDE, HIGH)) -> bytes:
    channels = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}[colour]
    row = 1 + (size[0] * channels * bits + 7) // 8
    header = struct.pack(">IIBBBBB", *size, bits, colour, 0, 0, 0)
    chunks = [png_chunk(b"IHDR", header), *more, png_chunk(b"IDAT", _deflated(row * size[1])), png_chunk(b"IEND", b"")]
    return b"\x89PNG\r\n\x1a\n" + b"".join(chunks)


PALETTE = png_chunk(b"PLTE", bytes(768)), png_chunk(b"tRNS", bytes(256))


def gif(width: int = 65535, height: int = 1370) -> bytes:
    """LZW by hand: codes grow to 12 bits, each for a string of zeros longer by one than the last, then start again."""
    codes, total = [], 0
    while total < width * height:
        codes.append((4, 3))  # clear
        length, bits = 1, 3
        for code in range(4094 - 5):
            codes.append((0 if code == 0 else 5 + code, bits))
            total += length
            length += 1
            if 6 + code + 1 > 2**bits and bits < 12:
                bits += 1
    number = place = 0
    packed = bytearray()
    for code, bits in [*codes, (5, 12)]:
        number |= code << place
        place += bits
        while place >= 8:
            packed.append(number & 255)
            number, place = number >> 8, place - 8
    packed.append(number)
    blocks = b"".join(bytes([len(packed[i : i + 255])]) + packed[i : i + 255] for i in range(0, len(packed), 255))
    return gif_head(width, height) + b"\x2c" + struct.pack("<HHHHB", 0, 0, width, height, 0) + b"\x02" + blocks + b"\0;"


def gif_head(width: int, height: int) -> bytes:
    return b"GIF89a" + struct.pack("<HHBBB", width, height, 0x80, 0, 0) + bytes(6)


def webp(size: tuple[int, int] = LONG, animated: bool = False) -> bytes:
    """VP8L whose five codes have one symbol each, so that a pixel takes no bits."""
    bits = (size[0] - 1) | (size[1] - 1) << 14 | 1 << 28
    bits |= sum(1 << (32 + 3 + 4 * code) for code in range(5))
    data = b"\x2f" + bits.to_bytes(8, "little") + bytes(3)
    chunks = b"VP8L" + struct.pack("<I", len(data)) + data
    if animated:
        size_bytes = b"".join((side - 1).to_bytes(3, "little") for side in size)
        frame = bytes(6) + size_bytes + b"\x64\0\0\0" + chunks
        chunks = b"VP8X" + struct.pack("<I", 10) + b"\x12\0\0\0" + size_bytes
        chunks += b"ANIM" + struct.pack("<I", 6) + bytes(6)
        chunks += (b"ANMF" + struct.pack("<I", len(frame)) + frame) * 2
    return b"RIFF" + struct.pack("<I", 4 + len(chunks)) + b"WEBP" + chunks


def jpeg(size: tuple[int, int], more_scans: int = 0, **options) -> bytes:
    """A small JPEG that says it is larger: where its data end early, libjpeg goes on in grey."""
    content = io.BytesIO()
    Image.new(options.pop("mode", "RGB"), (64, 64), "teal").save(content, "JPEG", **options)
    data = content.getvalue()
    place = next(i for i in range(len(data)) if data[i : i + 2] in (b"\xff\xc0", b"\xff\xc2"))
    data = data[: place + 5] + struct.pack(">HH", size[1], size[0]) + data[place + 9 :]
    last = data.rindex(b"\xff\xda")
    return data[:-2] + data[last:-2] * more_scans + data[-2:]


def tiff(tags: dict[int, tuple[int, int, int]], data: bytes = b"") -> bytes:
    """A TIFF of one page: tags as type, count, value; `data` begins right behind them."""
    entries = b"".join(struct.pack("<HHII", tag, *entry) for tag, entry in sorted(tags.items()))
    return b"II*\0" + struct.pack("<IH", 8, len(tags)) + entries + bytes(4) + data


def tiff_strips(samples: int, bits: int, kind: int = 1, interpretation: int = 2, strips: int = 10) -> bytes:
    """Deflated zeros in strips."""
    rows = -(-HIGH // strips)
    strip = _deflated(rows * WIDE * samples * bits // 8)
    start = 10 + 12 * 13 + 4
    lists = start + len(strip)
    lists += lists % 2
    tags = {
        256: (4, 1, WIDE),
        257: (4, 1, HIGH),
        258: (3, samples, lists + 8 * strips) if samples > 2 else (3, samples, bits | bits << 16),
        259: (3, 1, 8),
        262: (3, 1, interpretation),
        273: (4, strips, lists),
        277: (3, 1, samples),
        278: (4, 1, rows),
        279: (4, strips, lists + 4 * strips),
        284: (3, 1, 1),
        317: (3, 1, 1),
        338: (3, 1, 2),
        339: (3, samples, lists + 8 * strips + 2 * samples) if samples > 2 else (3, samples, kind | kind << 16),
    }
    if samples not in (2, 4) or interpretation == 5:
        tags[338] = (3, 0, 0)
    data = strip.ljust(lists - start, b"\0")
    data += struct.pack(f"<{strips}I", *[start] * strips) + struct.pack(f"<{strips}I", *[len(strip)] * strips)
    data += struct.pack(f"<{samples}H", *[bits] * samples) + struct.pack(f"<{samples}H", *[kind] * samples)
    return tiff(tags, data)


def tiff_of_endless_strips(strips: int = 30_000_000) -> bytes:
    """One pixel high strips of nothing, whose places alone fill 120 MB."""
    start = 10 + 12 * 9 + 4
    one = dict.fromkeys((259, 262, 277), (3, 1, 1)) | dict.fromkeys((256, 257, 278), (4, 1, 10)) | {258: (3, 1, 8)}
    return tiff(one | dict.fromkeys((273, 279), (4, strips, start)), b"\1\2\3\4" * strips)


def jpeg2000(size: tuple[int, int], mode: str) -> bytes:
    content = io.BytesIO()
    Image.new(mode, (64, 64)).save(content, "JPEG2000", no_jp2=True)
    data = content.getvalue()
    place = data.index(b"\xff\x51") + 6
    tile = place + 16
    data = data[:place] + struct.pack(">II", *size) + data[place + 8 :]
    return data[:tile] + struct.pack(">II", *size) + data[tile + 8 :]


def bmp_runs(size: tuple[int, int] = (WIDE, HIGH), run: int = 255) -> bytes:
    """RLE8."""
    runs = bytes([run, 0]) * (size[0] * size[1] // run) + b"\0\1"
    header = struct.pack("<IiiHHIIiiII", 40, *size, 1, 8, 1, len(runs), 0, 0, 2, 2)
    return b"BM" + struct.pack("<IHHI", 62 + len(runs), 0, 0, 62) + header + bytes(8) + runs
