"""Writes decode/ and resize/: image files of every kind, and Pillow's results for them.

Run with pillow and numpy: python make_images.py
The pixels of all pictures follow one another in expected.bin; expected.json gives their positions and sizes.
"""
import io
import json
import pathlib
import struct
import zlib

import numpy as np
from PIL import Image

here = pathlib.Path(__file__).parent


def picture(height, width, seed=0):
    """Smooth colour, edges and noise, so that every step of a decoder or filter shows."""
    random = np.random.RandomState(seed)
    y, x = np.mgrid[0:height, 0:width].astype(float)
    channels = [128 + 100 * np.sin(x / (5 + c) + c) * np.cos(y / (7 - c)) for c in range(3)]
    out = np.stack(channels, -1) + random.randn(height, width, 3) * 12
    out[height // 3 : height // 2, width // 4 : width // 2] = [250, 10, 60]
    return np.clip(out, 0, 255).astype(np.uint8)


class Results:
    def __init__(self, folder):
        self.folder = here / folder
        self.folder.mkdir(exist_ok=True)
        self.entries, self.data = [], b""

    def add(self, entry, array):
        raw = np.ascontiguousarray(array, dtype=np.uint8).tobytes()
        height, width = array.shape[:2]
        self.entries.append({**entry, "width": width, "height": height, "offset": len(self.data)})
        self.data += raw

    def write(self):
        (self.folder / "expected.bin").write_bytes(self.data)
        lines = ",\n".join(json.dumps(e) for e in self.entries)
        (self.folder / "expected.json").write_text(f"[\n{lines}\n]\n")


# --- PNG by hand, because Pillow does not write every kind ---

ADAM7 = [(0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4), (1, 0, 2, 2), (0, 1, 1, 2)]


def chunk(name, data):
    return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))


def pack_rows(samples, depth):
    """Rows of samples [h, w, channels] with filter 0, packed to `depth` bits."""
    rows = b""
    for row in samples:
        flat = row.reshape(-1)
        if depth == 16:
            rows += b"\0" + flat.astype(">u2").tobytes()
        elif depth == 8:
            rows += b"\0" + flat.astype(np.uint8).tobytes()
        else:
            bits = ((flat[:, None] >> np.arange(depth - 1, -1, -1)) & 1).astype(np.uint8)
            rows += b"\0" + np.packbits(bits.reshape(-1)).tobytes()
    return rows


def png(samples, depth, color, interlaced=False, extra=b""):
    height, width = samples.shape[:2]
    if interlaced:
        data = b""
        for x0, y0, dx, dy in ADAM7:
            part = samples[y0::dy, x0::dx]
            if part.size:
                data += pack_rows(part, depth)
    else:
        data = pack_rows(samples, depth)
    header = struct.pack(">IIBBBBB", width, height, depth, color, 0, 0, int(interlaced))
    body = chunk(b"IHDR", header) + extra + chunk(b"IDAT", zlib.compress(data)) + chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + body


def pngs():
    random = np.random.RandomState(3)
    height, width = 13, 19
    for color, channels, depths in [
        (0, 1, (1, 2, 4, 8, 16)), (2, 3, (8, 16)), (3, 1, (1, 2, 4, 8)), (4, 2, (8, 16)), (6, 4, (8, 16)),
    ]:  # fmt: skip
        for depth in depths:
            samples = random.randint(0, 1 << depth, (height, width, channels))
            if (color, depth) == (0, 16):
                samples[:6] = random.randint(0, 300, (6, width, 1))  # Pillow clips 16-bit grey at 255.
            extra = b""
            if color == 3:
                # At 8 bits, fewer colours than the pixels refer to.
                colors = 200 if depth == 8 else 1 << depth
                extra = chunk(b"PLTE", random.randint(0, 256, (colors, 3)).astype(np.uint8).tobytes())
            for interlaced in (False, True):
                name = f"png_color{color}_{depth}bit{'_interlaced' if interlaced else ''}.png"
                yield name, png(samples, depth, color, interlaced, extra)
    grey = random.randint(0, 256, (5, 4, 1))
    rgb = random.randint(0, 256, (5, 4, 3))
    index = random.randint(0, 3, (5, 4, 1))
    palette = chunk(b"PLTE", bytes(range(9)))
    yield "png_trns_grey.png", png(grey, 8, 0, extra=chunk(b"tRNS", struct.pack(">H", grey[0, 0, 0])))
    yield "png_trns_rgb.png", png(rgb, 8, 2, extra=chunk(b"tRNS", struct.pack(">HHH", *rgb[0, 0])))
    yield "png_trns_palette.png", png(index, 8, 3, extra=palette + chunk(b"tRNS", bytes([0, 128])))
    yield "png_gamma_and_text.png", png(
        rgb, 8, 2, extra=chunk(b"gAMA", struct.pack(">I", 100000)) + chunk(b"tEXt", b"Comment\0text")
    )
    yield "png_1x1.png", png(rgb[:1, :1], 8, 2)
    out = io.BytesIO()
    Image.fromarray(picture(20, 33)).save(out, "PNG")  # With line filters.
    yield "png_filtered.png", out.getvalue()


def jpegs():
    image = Image.fromarray(picture(29, 43))

    def save(image, **options):
        out = io.BytesIO()
        image.save(out, "JPEG", **options)
        return out.getvalue()

    yield "jpeg_420.jpg", save(image, quality=90)
    yield "jpeg_422.jpg", save(image, quality=80, subsampling="4:2:2")
    yield "jpeg_444.jpg", save(image, quality=95, subsampling="4:4:4")
    yield "jpeg_quality_5.jpg", save(image, quality=5)
    yield "jpeg_grey.jpg", save(image.convert("L"))
    yield "jpeg_progressive.jpg", save(image, quality=85, progressive=True)
    yield "jpeg_progressive_grey.jpg", save(image.convert("L"), progressive=True)
    yield "jpeg_restart.jpg", save(image, restart_marker_blocks=2)
    yield "jpeg_rgb.jpg", save(image, keep_rgb=True)
    cmyk = save(image.convert("CMYK"), quality=90)
    yield "jpeg_cmyk.jpg", cmyk
    adobe = cmyk.index(b"Adobe")
    # The last byte of Adobe's segment says how the components are coded: 2 is YCCK.
    yield "jpeg_ycck.jpg", cmyk[: adobe + 11] + b"\x02" + cmyk[adobe + 12 :]
    exif = Image.Exif()
    exif[0x0112] = 6
    yield "jpeg_orientation_6.jpg", save(image, exif=exif)
    yield "jpeg_1x1.jpg", save(image.crop((0, 0, 1, 1)))
    yield "jpeg_1x40.jpg", save(image.crop((3, 0, 4, 29)))
    yield "jpeg_trailing_bytes.jpg", save(image) + b"after the end"


def readable_from(data):
    """The fewest first bytes of a file that Pillow reads; less than all of them if only its end is optional."""
    count = len(data)
    while True:
        try:
            Image.open(io.BytesIO(data[: count - 1])).convert("RGB")
        except (OSError, SyntaxError):
            return count
        count -= 1


if __name__ == "__main__":
    decode = Results("decode")
    for name, data in [*pngs(), *jpegs()]:
        (decode.folder / name).write_bytes(data)
        entry = {"file": name, "readable_from": readable_from(data)}
        decode.add(entry, np.array(Image.open(io.BytesIO(data)).convert("RGB")))
    decode.write()

    resize = Results("resize")
    sources = {"photo": picture(61, 83), "tall": picture(97, 3, 1), "dot": picture(1, 1, 2), "row": picture(1, 57, 4)}
    for name, array in sources.items():
        resize.add({"source": name}, array)
        for filter in range(6):
            sizes = [(24, 17), (1, 1), (7, 66)]
            if filter == 3:
                sizes += [(83, 20), (31, 61), (84, 60), (100, 70)]
            for width, height in sizes:
                if name != "photo" and width > 83:
                    continue
                scaled = Image.fromarray(array).resize((width, height), filter)
                resize.add({"from": name, "filter": filter}, np.array(scaled))
    resize.write()
