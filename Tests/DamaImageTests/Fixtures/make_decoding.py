"""Writes decoding/: image files with orientation, transparency and damage, and Pillow's results for them.

Run with pillow 13.0.0 and numpy: python make_decoding.py
The pixels are those of transformers 5.24: load_image's ImageOps.exif_transpose, then convert_to_rgb, which blends
transparent pixels on white. Entries with "plain" are Image.open(...).convert("RGB") alone; Pillow rejects the files of
entries with "fails".
"""
import io
import struct
import warnings
import zlib

import numpy as np
from make_images import Results, chunk, pack_rows, picture, png, ADAM7
from PIL import Image, ImageOps

warnings.simplefilter("ignore")
random = np.random.RandomState(11)


def converted(data):
    image = ImageOps.exif_transpose(Image.open(io.BytesIO(data)))
    if "A" in image.getbands() or image.info.get("transparency") is not None:
        image = image.convert("RGBA")
        background = Image.new("RGBA", image.size, (255, 255, 255, 255))
        return np.array(Image.alpha_composite(background, image).convert("RGB"))
    return np.array(image.convert("RGB"))


def plain(data):
    return np.array(Image.open(io.BytesIO(data)).convert("RGB"))


def jpeg(image, **options):
    out = io.BytesIO()
    image.save(out, "JPEG", **options)
    return out.getvalue()


def segment(body):
    return b"\xff\xe1" + struct.pack(">H", len(body) + 2) + body


def with_segments(data, *bodies):
    """Segments directly after the start of a JPEG file."""
    return data[:2] + b"".join(map(segment, bodies)) + data[2:]


def tiff(tag_type, count, value, order="<", tag=0x0112, tail=b""):
    """A TIFF structure with one tag; `value` holds its four bytes, or an offset."""
    head = b"II*\0" if order == "<" else b"MM\0*"
    entry = struct.pack(order + "HHI", tag, tag_type, count) + value
    return head + struct.pack(order + "IH", 8, 1) + entry + struct.pack(order + "I", 0) + tail


def exif(*arguments, **options):
    return b"Exif\0\0" + tiff(*arguments, **options)


XMP = b'<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:Description tiff:Orientation="%d"/></x:xmpmeta>'
XMP_ELEMENT = b"<x:xmpmeta><tiff:Orientation>%d</tiff:Orientation></x:xmpmeta>"
ADOBE = b"http://ns.adobe.com/xap/1.0/\0"


def profile(data):
    return b"\nexif\n%8d\n" % len(data) + b"\n".join(
        data.hex().encode()[i : i + 72] for i in range(0, 2 * len(data), 72)
    ) + b"\n"


def orientations():
    image = Image.fromarray(picture(11, 17))
    base = jpeg(image, quality=90)
    pixels = picture(5, 7, 1)
    for n in range(10):
        yield f"turned_{n}.jpg", with_segments(base, exif(3, 1, struct.pack("<HH", n, 0)))
        yield f"turned_{n}.png", png(pixels, 8, 2, extra=chunk(b"eXIf", tiff(3, 1, struct.pack(">HH", n, 0), ">")))
    values = {
        1: struct.pack("<BBH", 6, 0, 0), 2: b"6\0\0\0", 4: struct.pack("<I", 6), 6: struct.pack("<bxxx", 6),
        8: struct.pack("<hxx", 6), 9: struct.pack("<i", 6), 11: struct.pack("<f", 6), 13: struct.pack("<I", 6),
        7: b"\6\0\0\0", 99: struct.pack("<I", 6),
    }  # fmt: skip
    for kind, value in values.items():
        yield f"type_{kind}.jpg", with_segments(base, exif(kind, 1, value))
    far = struct.pack("<I", 26)
    yield "type_5.jpg", with_segments(base, exif(5, 1, far, tail=struct.pack("<II", 12, 2)))
    yield "type_12.jpg", with_segments(base, exif(12, 1, far, tail=struct.pack("<d", 6)))
    yield "type_16.jpg", with_segments(base, exif(16, 1, far, tail=struct.pack("<Q", 6)))
    yield "two_values.jpg", with_segments(base, exif(3, 2, struct.pack("<HH", 6, 3)))
    yield "four_values.jpg", with_segments(base, exif(3, 4, far, tail=struct.pack("<HHHH", 8, 3, 3, 3)))
    yield "no_values.jpg", with_segments(base, exif(3, 0, struct.pack("<HH", 6, 0)))
    yield "value_beyond_end.jpg", with_segments(base, exif(3, 4, struct.pack("<I", 5000)))
    yield "other_tag.jpg", with_segments(base, exif(3, 1, struct.pack("<HH", 6, 0), tag=0x0113))
    yield "twice_named.jpg", with_segments(base, b"Exif\0\0" + exif(3, 1, struct.pack("<HH", 6, 0)))
    whole = exif(3, 1, struct.pack("<HH", 6, 0))
    yield "two_segments.jpg", with_segments(base, whole[:20], b"Exif\0\0" + whole[20:])
    yield "cut_directory.jpg", with_segments(base, whole[:24])
    yield "no_next_directory.jpg", with_segments(base, whole[:-4])
    yield "behind_other_segment.jpg", with_segments(base, b"something else", whole)
    yield "fill_bytes.jpg", base[:2] + b"\xff\xff\xff" + segment(whole)[1:] + base[2:]
    yield "xmp.jpg", with_segments(base, ADOBE + XMP % 8)
    yield "xmp_element.jpg", with_segments(base, ADOBE + XMP_ELEMENT % 5)
    yield "xmp_and_exif.jpg", with_segments(base, ADOBE + XMP % 8, exif(3, 1, struct.pack("<HH", 3, 0)))
    yield "xmp_and_bad_exif.jpg", with_segments(base, ADOBE + XMP % 8, exif(3, 1, struct.pack("<HH", 77, 0)))
    yield "xmp_and_other_exif.jpg", with_segments(
        base, ADOBE + XMP % 8, exif(3, 1, struct.pack("<HH", 3, 0), tag=0x0113))
    plain_png = png(pixels, 8, 2)
    late = chunk(b"eXIf", tiff(3, 1, struct.pack("<HH", 6, 0)))
    yield "exif_behind_picture.png", plain_png[:-12] + late + plain_png[-12:]
    text = b"XML:com.adobe.xmp\0"
    yield "xmp.png", png(pixels, 8, 2, extra=chunk(b"iTXt", text + b"\0\0\0\0" + XMP % 7))
    yield "xmp_compressed.png", png(pixels, 8, 2, extra=chunk(b"iTXt", text + b"\1\0\0\0" + zlib.compress(XMP % 7)))
    yield "profile.png", png(pixels, 8, 2, extra=chunk(b"tEXt", b"Raw profile type exif\0" + profile(whole)))
    yield "profile_compressed.png", png(
        pixels, 8, 2, extra=chunk(b"zTXt", b"Raw profile type exif\0\0" + zlib.compress(profile(whole))))
    yield "profile_and_exif.png", png(
        pixels, 8, 2, extra=chunk(b"eXIf", tiff(3, 1, struct.pack("<HH", 3, 0)))
        + chunk(b"tEXt", b"Raw profile type exif\0" + profile(whole)))
    grey_alpha = random.randint(0, 256, (5, 7, 2))
    yield "turned_and_transparent.png", png(
        grey_alpha, 8, 4, extra=chunk(b"eXIf", tiff(3, 1, struct.pack(">HH", 8, 0), ">")))


def transparencies():
    # Every value under every alpha.
    grid = np.stack(np.meshgrid(np.arange(256), np.arange(256)), -1)
    yield "alpha_all.png", png(grid, 8, 4)
    for color, channels, depths in [(4, 2, (8, 16)), (6, 4, (8, 16))]:
        for depth in depths:
            samples = random.randint(0, 1 << depth, (9, 11, channels))
            for interlaced in (False, True):
                yield f"alpha_{color}_{depth}{'_interlaced' * interlaced}.png", png(samples, depth, color, interlaced)
    for color, depth in [(0, 1), (0, 2), (0, 4), (0, 8), (0, 16), (2, 8), (2, 16)]:
        samples = random.randint(0, 1 << depth, (9, 11, 3 if color else 1))
        for index, (y, x) in enumerate([(0, 0), (3, 4)]):
            key = b"".join(struct.pack(">H", int(v)) for v in samples[y, x])
            for interlaced in (False, True):
                name = f"key_{color}_{depth}_{index}{'_interlaced' * interlaced}.png"
                yield name, png(samples, depth, color, interlaced, chunk(b"tRNS", key))
    # If the key's low byte equals a pixel's high byte, Pillow treats the pixel as transparent.
    samples = random.randint(0, 1 << 16, (4, 4, 3))
    key = b"".join(struct.pack(">H", 0x4200 | int(v) >> 8) for v in samples[1, 1])
    yield "key_2_16_low_byte.png", png(samples, 16, 2, extra=chunk(b"tRNS", key))
    for depth in (1, 2, 4, 8):
        colors = min(1 << depth, 200)
        samples = random.randint(0, 1 << depth, (9, 11, 1))
        palette = chunk(b"PLTE", random.randint(0, 256, (colors, 3)).astype(np.uint8).tobytes())
        for name, alpha in [("some", random.randint(0, 256, colors // 2)), ("one", [255, 0]), ("none", [255])]:
            extra = palette + chunk(b"tRNS", bytes(int(a) for a in alpha))
            yield f"palette_{depth}_{name}.png", png(samples, depth, 3, depth == 2, extra)


def damaged():
    rgb = picture(9, 13)
    data = png(rgb, 8, 2)
    start = data.index(b"IDAT") - 4
    yield "no_end.png", data[:-12]
    yield "half_an_end.png", data[:-6]
    yield "wrong_checksum.png", data[:-16] + b"\0\1\2\3" + data[-12:]
    yield "wrong_checksum_of_header.png", data[:29] + b"\0\1\2\3" + data[33:]
    yield "unknown_critical.png", data[:start] + chunk(b"FOOB", b"hello") + data[start:]
    yield "unknown_critical_wrong_checksum.png", data[:start] + chunk(b"FOOB", b"hello")[:-1] + b"\0" + data[start:]
    yield "unknown_critical_behind.png", data[:-12] + chunk(b"FOOB", b"hello") + data[-12:]
    yield "critical_wrong_checksum_behind.png", data[:-12] + chunk(b"FOOB", b"hello")[:-1] + b"\0" + data[-12:]
    yield "cut_text_behind.png", data[:-12] + chunk(b"tEXt", b"a\0hello")[:-8]
    yield "cut_checksum_behind.png", data[:-12] + chunk(b"tEXt", b"a\0hello")[:-2]
    yield "no_chunk_behind.png", data[:-12] + b"\0\0\0\0\1\2\3\4" + data[-12:]

    def file(samples, depth, color, rows, interlaced=False, extra=b"", level=-1, parts=1):
        """`rows`: the uncompressed bytes."""
        height, width = samples.shape[:2]
        header = struct.pack(">IIBBBBB", width, height, depth, color, 0, 0, int(interlaced))
        packed = zlib.compress(rows, level)
        size = -(-len(packed) // parts)
        data = b"".join(chunk(b"IDAT", packed[i : i + size]) for i in range(0, len(packed), size))
        return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + extra + data + chunk(b"IEND", b"")

    rows = pack_rows(rgb, 8)
    yield "missing_row.png", file(rgb, 8, 2, rows[: 8 * 40])
    yield "missing_half_a_row.png", file(rgb, 8, 2, rows[: 7 * 40 + 20])
    yield "missing_all_rows.png", file(rgb, 8, 2, b"")
    yield "two_parts.png", file(rgb, 8, 2, rows, parts=2)
    whole = file(rgb, 8, 2, rows, parts=2)
    second = whole.index(b"IDAT", whole.index(b"IDAT") + 4)
    yield "between_parts.png", whole[: second - 4] + chunk(b"tEXt", b"a\0b") + whole[second - 4 :]
    yield "wrong_sum_of_data.png", file(rgb, 8, 2, rows)[:-20] + b"\0\0\0\0" + file(rgb, 8, 2, rows)[-16:]
    yield "too_many_rows.png", file(rgb, 8, 2, rows + rows)
    bad = bytearray(rows)
    bad[3 * 40] = 9
    yield "unknown_filter.png", file(rgb, 8, 2, bytes(bad))
    grey = random.randint(0, 65536, (6, 5, 1))
    yield "missing_row_grey16.png", file(grey, 16, 0, pack_rows(grey, 16)[: 4 * 11])
    alpha = random.randint(0, 256, (6, 5, 4))
    yield "missing_row_alpha.png", file(alpha, 8, 6, pack_rows(alpha, 8)[: 4 * 21])
    index = random.randint(0, 4, (6, 5, 1))
    palette = chunk(b"PLTE", random.randint(1, 256, (4, 3)).astype(np.uint8).tobytes())
    yield "missing_row_palette.png", file(index, 2, 3, pack_rows(index, 2)[: 4 * 3], extra=palette)
    body = b"".join(pack_rows(rgb[y::dy, x::dx], 8) for x, y, dx, dy in ADAM7 if rgb[y::dy, x::dx].size)
    # In the middle of a row, at the first row's end, at another one's, and before the last row.
    for count in (30, 7, 14 + 25, len(body) - 40):
        yield f"missing_pass_{count}.png", file(rgb, 8, 2, body[:count], interlaced=True)
    packed = file(rgb, 8, 2, rows)
    middle = packed.index(b"IDAT") + 4 + 60
    yield "broken_data.png", packed[:middle] + bytes(20) + packed[middle + 20 :]
    yield "cut_data.png", packed[:middle]

    image = Image.fromarray(picture(40, 56, 2))
    for name, data in [
        ("baseline", jpeg(image, quality=90)), ("grey", jpeg(image.convert("L"))),
        ("444", jpeg(image, subsampling=0)), ("progressive", jpeg(image, progressive=True)),
        ("restart", jpeg(image, restart_marker_blocks=3)),
    ]:  # fmt: skip
        scan = data.index(b"\xff\xda") + 14
        middle = (scan + len(data)) // 2
        yield f"zeros_{name}.jpg", data[:middle] + bytes(30) + data[middle + 30 :]
        yield f"zeros_to_end_{name}.jpg", data[:middle] + bytes(len(data) - middle - 2) + data[-2:]
        yield f"early_end_{name}.jpg", data[:middle] + b"\xff\xd9"
        yield f"no_end_{name}.jpg", data[:-2]
        yield f"cut_{name}.jpg", data[:middle]
        yield f"noise_{name}.jpg", data[:middle] + bytes(random.randint(0, 255, 16).tolist()) + data[middle + 16 :]
        yield f"extra_bytes_{name}.jpg", data[:-2] + b"\1\2\3\4" + data[-2:]


if __name__ == "__main__":
    results = Results("decoding")
    for kind, files in [("turned", orientations()), ("transparent", transparencies()), ("damaged", damaged())]:
        for name, data in files:
            (results.folder / name).write_bytes(data)
            entry = {"file": name, "kind": kind}
            try:
                expected = converted(data)
            except (OSError, SyntaxError, ValueError, struct.error) as error:
                print(f"{name}: {error}")
                results.entries.append({**entry, "fails": True})
                continue
            results.add(entry, expected)
            other = plain(data)
            if kind != "damaged" and not np.array_equal(other, expected):
                results.add({**entry, "plain": True}, other)
    results.write()
