"""Writes formats/: WebP, GIF, BMP and MPO files, and Pillow's results for them.

Run with pillow 13.0.0 (libwebp 1.6.0) and numpy: python make_formats.py
As in make_decoding.py the pixels are those of transformers 5.24; "plain" entries are Image.open(...).convert("RGB")
alone, where that differs. Of a file that Pillow rejects "fails" is "unsupported" if Pillow says so, else "damaged".
"readable_from" is the length of the shortest beginning of the file that Pillow reads, to the same pixels.
"""
import io
import struct
import warnings

import numpy as np
from make_decoding import converted, plain, tiff, XMP
from make_images import Results, picture
from PIL import Image

warnings.simplefilter("ignore")
random = np.random.RandomState(17)
REFUSED = (OSError, SyntaxError, ValueError, IndexError, TypeError, EOFError, struct.error)


# --- WebP ---


def webp(image, **options):
    out = io.BytesIO()
    image.save(out, "WEBP", **options)
    return out.getvalue()


def riff(*chunks):
    body = b"WEBP"
    for name, data in chunks:
        body += name + struct.pack("<I", len(data)) + data + b"\0" * (len(data) % 2)
    return b"RIFF" + struct.pack("<I", len(body)) + body


def bitstream(data):
    """The only chunk of a simple WebP file, with its header."""
    return data[12:16], data[20 : 20 + struct.unpack("<I", data[16:20])[0]]


def frame(x, y, image, flags=0, **options):
    """A frame of an animation; x and y are even."""
    name, data = bitstream(webp(image, **options))
    inner = name + struct.pack("<I", len(data)) + data + b"\0" * (len(data) % 2)
    numbers = (x // 2, y // 2, image.width - 1, image.height - 1, 40)
    return b"ANMF", b"".join(struct.pack("<I", n)[:3] for n in numbers) + bytes([flags]) + inner


def extended(width, height, flags):
    return b"VP8X", struct.pack("<I", flags) + struct.pack("<I", width - 1)[:3] + struct.pack("<I", height - 1)[:3]


def webps():
    rgb = Image.fromarray(picture(21, 34))
    odd = Image.fromarray(picture(9, 13, 3))
    alpha = Image.fromarray(np.dstack([picture(12, 15, 1), random.randint(0, 256, (12, 15))]).astype(np.uint8))
    for quality in (0, 30, 75, 100):
        yield f"lossy_{quality}.webp", webp(rgb, quality=quality)
    yield "lossy_odd.webp", webp(odd, quality=80)
    yield "lossy_grey.webp", webp(odd.convert("L"), quality=80)
    yield "lossy_1x1.webp", webp(odd.crop((3, 3, 4, 4)))
    yield "lossy_large.webp", webp(Image.fromarray(picture(45, 60, 2)), quality=50, method=6)
    yield "lossless.webp", webp(rgb, lossless=True)
    yield "lossless_few_colors.webp", webp(odd.quantize(5).convert("RGB"), lossless=True)
    yield "lossless_1x1.webp", webp(odd.crop((3, 3, 4, 4)), lossless=True)
    yield "lossy_alpha.webp", webp(alpha, quality=70)
    yield "lossy_alpha_lossy.webp", webp(alpha, quality=70, alpha_quality=20)
    yield "lossless_alpha.webp", webp(alpha, lossless=True, exact=True)
    yield "lossless_alpha_inexact.webp", webp(alpha, lossless=True)
    for n in (1, 3, 6, 8):
        yield f"turned_{n}.webp", webp(odd, exif=b"Exif\0\0" + tiff(3, 1, struct.pack("<HH", n, 0)))
    yield "turned_bare.webp", webp(odd, exif=tiff(3, 1, struct.pack(">HH", 5, 0), ">"))
    yield "turned_alpha.webp", webp(alpha, lossless=True, exif=tiff(3, 1, struct.pack("<HH", 7, 0)))
    yield "xmp.webp", webp(odd, xmp=XMP % 8)
    yield "xmp_and_exif.webp", webp(odd, xmp=XMP % 8, exif=tiff(3, 1, struct.pack("<HH", 3, 0)))
    exif = (b"EXIF", tiff(3, 1, struct.pack("<HH", 6, 0)))
    yield "exif_not_announced.webp", riff(extended(13, 9, 0), bitstream(webp(odd)), exif)
    yield "exif_before_picture.webp", riff(extended(13, 9, 8), exif, bitstream(webp(odd)))
    yield "two_exif.webp", riff(extended(13, 9, 8), bitstream(webp(odd)), exif, (b"EXIF", tiff(3, 1, b"\3\0\0\0")))
    yield "exif_without_extension.webp", riff(bitstream(webp(odd)), exif)
    yield "unknown_chunk.webp", riff(extended(13, 9, 0), (b"ABCD", b"hello"), bitstream(webp(odd)))
    # VP8L has an alpha flag of its own; Pillow asks the extended header where there is one.
    yield "alpha_not_announced.webp", riff(extended(15, 12, 0), bitstream(webp(alpha, lossless=True, exact=True)))
    yield "wrong_canvas.webp", riff(extended(14, 9, 0), bitstream(webp(odd)))

    frames = [Image.fromarray(picture(10, 14, n)) for n in range(3)]
    yield "animated.webp", webp(frames[0], save_all=True, append_images=frames[1:], duration=30)
    yield "animated_alpha.webp", webp(alpha, save_all=True, append_images=[alpha.rotate(90)], lossless=True, exact=True)
    control = (b"ANIM", bytes([10, 20, 200, 255]) + b"\0\0")
    small = frame(4, 2, odd, lossless=True)
    yield "frame_in_canvas.webp", riff(extended(20, 15, 2), control, small, frame(0, 0, odd))
    yield "frame_in_transparent_canvas.webp", riff(extended(20, 15, 2 | 16), control, small)
    yield "frame_alpha.webp", riff(extended(20, 15, 2 | 16), control, frame(2, 2, alpha, 2, lossless=True, exact=True))
    yield "frame_beyond_canvas.webp", riff(extended(20, 10, 2), control, frame(4, 2, odd))
    yield "no_frame.webp", riff(extended(20, 15, 2), control)
    yield "later_frame_cut.webp", riff(extended(20, 15, 2), control, small, small)[:-9]
    yield "later_frame_broken.webp", riff(extended(20, 15, 2), control, small, (small[0], small[1][:40] + bytes(40)))
    data = webp(rgb, quality=80)
    yield "zeros.webp", data[:120] + bytes(60) + data[180:]
    yield "bytes_behind.webp", data + b"hello"
    data = webp(rgb, lossless=True)
    yield "zeros_lossless.webp", data[:200] + bytes(60) + data[260:]
    yield "no_picture.webp", riff((b"EXIF", b"hello!"))


# --- GIF ---


def compressed(indices, bits, clear_every=None, end_code=True):
    """The LZW data of `indices` with its blocks. Without `clear_every` the table is filled, and stays."""
    clear, codes, table, width = 1 << bits, [], {}, bits + 1

    def reset():
        table.clear()
        table.update({(i,): i for i in range(clear)})

    stream, size = 0, 0

    def put(code):
        nonlocal stream, size
        stream |= code << size
        size += width

    def write(code):
        nonlocal width
        put(code)
        codes.append(code)

    reset()
    write(clear)
    following, prefix, since = clear + 2, (), 0
    for index in indices:
        if prefix + (index,) in table:
            prefix += (index,)
            continue
        write(table[prefix])
        if following < 4096:
            table[prefix + (index,)] = following
            if following == 1 << width and width < 12:
                width += 1
            following += 1
        prefix = (index,)
        since += 1
        if clear_every and since == clear_every:
            write(table[prefix])
            if following == 1 << width and width < 12:
                width += 1
            write(clear)
            reset()
            following, width, prefix, since = clear + 2, bits + 1, (), 0
    if prefix:
        write(table[prefix])
        if following == 1 << width and width < 12:
            width += 1
    if end_code:
        write(clear + 1)
    data = stream.to_bytes((size + 7) // 8, "little")
    blocks = [data[i : i + 255] for i in range(0, len(data), 255)]
    return bytes([bits]) + b"".join(bytes([len(block)]) + block for block in blocks)


def colors(count, seed=0):
    return np.random.RandomState(seed).randint(0, 256, 3 * count).astype(np.uint8).tobytes()


def greys(count):
    return bytes(i for i in range(count) for _ in range(3))


def control(flags, transparent, name=b"\xf9"):
    return b"!" + name + struct.pack("<BBHBB", 4, flags, 3, transparent, 0)


def gif(
    indices, bits=3, screen=None, at=(0, 0), palette=colors(8), local=None, before=b"", interlaced=False, end=b"\0;",
    background=1, data=None, version=b"GIF89a", **options
):  # fmt: skip
    height, width = indices.shape
    size = screen or (width, height)

    def flags(colors):
        return 0x80 | (len(colors) // 3).bit_length() - 2 if colors else 0

    rows = indices
    if interlaced:
        rows = np.concatenate([indices[0::8], indices[4::8], indices[2::4], indices[1::2]])
    data = compressed([int(i) for i in rows.reshape(-1)], bits, **options) if data is None else data
    return (
        version + struct.pack("<HHBBB", *size, flags(palette), background, 0) + (palette or b"") + before
        + b"," + struct.pack("<HHHHB", *at, width, height, flags(local) | 0x40 * interlaced) + (local or b"") + data + end
    )  # fmt: skip


def gifs():
    few = random.randint(0, 8, (7, 11))
    photo = Image.fromarray(picture(30, 40, 5))
    out = io.BytesIO()
    photo.quantize(200).save(out, "GIF")
    yield "pillow.gif", out.getvalue()
    out = io.BytesIO()
    frames = [Image.fromarray(picture(12, 16, n)).quantize(30) for n in range(3)]
    options = {"duration": 40, "loop": 0, "disposal": 2, "transparency": 3}
    frames[0].save(out, "GIF", save_all=True, append_images=frames[1:], **options)
    yield "animated.gif", out.getvalue()
    yield "global.gif", gif(few)
    yield "gif87a.gif", gif(few, version=b"GIF87a")
    yield "local.gif", gif(few, palette=None, local=colors(8, 1))
    yield "both.gif", gif(few, local=colors(8, 1))
    yield "no_palette.gif", gif(few, palette=None)
    yield "greys.gif", gif(few, palette=greys(4))
    yield "local_greys.gif", gif(few, local=greys(4))
    yield "local_greys_transparent.gif", gif(few, local=greys(4), before=control(1, 2))
    yield "short_palette.gif", gif(few, palette=colors(4))
    yield "two_colors.gif", gif(few % 2, bits=2, palette=colors(2))
    yield "code_size_1.gif", gif(few[:1, :1] % 2, bits=1, palette=colors(2))
    # 4,400 pixels that hardly repeat: more codes than the table holds.
    yield "full_table.gif", gif(random.randint(0, 256, (55, 80)), bits=8, palette=colors(256))
    yield "repeated.gif", gif(np.zeros((60, 70), int))
    yield "clears.gif", gif(few, clear_every=5)
    for height in (1, 2, 3, 4, 5, 8, 9, 17):
        yield f"interlaced_{height}.gif", gif(random.randint(0, 8, (height, 5)), interlaced=True)
    for index in (0, 5, 9, 255):
        yield f"transparent_{index}.gif", gif(few, before=control(1, index))
    yield "transparent_grey.gif", gif(few, palette=None, before=control(1, 4))
    yield "not_transparent.gif", gif(few, before=control(0, 4))
    yield "two_controls.gif", gif(few, before=control(1, 4) + control(0, 2))
    yield "placed.gif", gif(few, screen=(20, 15), at=(3, 4))
    yield "placed_transparent.gif", gif(few, screen=(20, 15), at=(3, 4), before=control(1 | 8, 4))
    yield "placed_grey_transparent.gif", gif(few, screen=(20, 15), at=(3, 4), before=control(1, 4), palette=None)
    yield "placed_interlaced.gif", gif(few, screen=(20, 15), at=(9, 8), interlaced=True, local=colors(8, 2))
    yield "beyond_screen.gif", gif(few, screen=(9, 9), at=(3, 4))
    yield "no_screen.gif", gif(few, screen=(0, 0))
    yield "comments.gif", gif(few, before=b"!\xfe\5hello\3abc\0" + b"!\xff\x0bNETSCAPE2.0\3\1\0\0\0" + control(1, 1))
    yield "empty_extension.gif", gif(few, before=b"!\xf9\0\0" + b"!\xfe\0" + b"!\x01\0\0")
    yield "empty_loop.gif", gif(few, before=b"!\xff\x0bNETSCAPE2.0\0" + control(1, 1), end=b"\0;")
    yield "short_control.gif", gif(few, before=b"!\xf9\2\1\0\0")
    yield "control_without_color.gif", gif(few, before=b"!\xf9\3\1\0\0\0")
    yield "bytes_between.gif", gif(few, before=b"\0\1junk")
    yield "no_trailer.gif", gif(few, end=b"")
    pixels = few.reshape(-1).tolist()
    yield "no_end_code.gif", gif(few, end_code=False)
    yield "too_many_pixels.gif", gif(few, data=compressed(pixels * 2, 3))
    yield "too_few_pixels.gif", gif(few, data=compressed(pixels[:-3], 3))
    data = compressed(pixels, 3)
    yield "small_blocks.gif", gif(few, data=data[:1] + b"".join(bytes([1, byte]) for byte in data[2:]))
    yield "code_not_in_table.gif", gif(few, data=bytes([3, 4, 0x08 | 0xF0, 0xFF, 0x3F, 0x12]))
    yield "code_size_9.gif", gif(few, data=b"\x09" + data[1:])
    yield "no_picture.gif", gif(few)[:13] + colors(8) + b";"
    yield "empty_picture.gif", gif(np.zeros((0, 4), int), screen=(4, 4))


# --- BMP ---


def bmp(
    width, height, bits, data, compression=0, palette=b"", size=40, used=0, masks=(), offset=None, flipped=False,
    behind=b""
):  # fmt: skip
    """`masks` stand in the header if it is long enough, else behind it."""
    if size == 12:
        header = struct.pack("<IHHHH", 12, width, height, 1, bits)
    else:
        rows = 2**32 - height if flipped else height
        header = struct.pack("<IIIHHIIIIII", size, width, rows, 1, bits, compression, len(data), 2835, 2835, used, 0)
        words = struct.pack(f"<{len(masks)}I", *masks)
        header += words if size == 40 else words[: size - 40].ljust(size - 40, b"\0")
    start = 14 + len(header) + len(palette) + len(behind) if offset is None else offset
    rest = header + palette + behind + data
    return b"BM" + struct.pack("<IHHI", 14 + len(rest) - len(behind), 0, 0, start) + rest


def rows(samples, bits):
    """Rows [h, w] of samples of `bits` bits, from the bottom, padded."""
    out = b""
    for row in samples[::-1]:
        places = (row[:, None] >> np.arange(bits - 1, -1, -1)) & 1
        packed = np.packbits(places.astype(np.uint8).reshape(-1)).tobytes()
        out += packed + b"\0" * (-len(packed) % 4)
    return out


def words(height, width, size):
    row = width * size
    return b"".join(random.bytes(row) + b"\0" * (-row % 4) for _ in range(height))


def quads(palette):
    return b"".join(palette[i : i + 3] + b"\0" for i in range(0, len(palette), 3))


def bmps():
    for bits in (1, 4, 8):
        samples = random.randint(0, 1 << bits, (6, 11))
        palette = colors(1 << bits, bits)
        yield f"palette_{bits}.bmp", bmp(11, 6, bits, rows(samples, bits), palette=quads(palette))
        yield f"palette_{bits}_os2.bmp", bmp(11, 6, bits, rows(samples, bits), palette=palette, size=12)
        few = max(2, (1 << bits) // 2)
        yield f"palette_{bits}_used.bmp", bmp(
            11, 6, bits, rows(samples, bits), palette=quads(palette[: 3 * few]), used=few)
        yield f"palette_{bits}_no_offset.bmp", bmp(
            11, 6, bits, rows(samples, bits), palette=quads(palette), offset=14 + 40)
        yield f"palette_{bits}_zero_offset.bmp", bmp(11, 6, bits, rows(samples, bits), palette=quads(palette), offset=0)
        yield f"greys_{bits}.bmp", bmp(11, 6, bits, rows(samples, bits), palette=quads(greys(1 << bits)))
    for count in (1, 2, 3, 5):
        samples = random.randint(0, 6, (4, 9))
        black_and_white = bytes(3) + b"\xff" * 3
        yield f"greys_8_{count}.bmp", bmp(9, 4, 8, rows(samples, 8), palette=quads(greys(count)), used=count)
        yield f"white_8_{count}.bmp", bmp(
            9, 4, 8, rows(samples, 8), palette=quads((black_and_white * 3)[: 3 * count]), used=count)
    samples = random.randint(0, 2, (4, 9))
    yield "black_and_white.bmp", bmp(9, 4, 1, rows(samples, 1), palette=quads(bytes(3) + b"\xff" * 3))
    yield "white_and_black.bmp", bmp(9, 4, 1, rows(samples, 1), palette=quads(b"\xff" * 3 + bytes(3)))
    for bits in (16, 24, 32):
        data = words(5, 7, bits // 8)
        yield f"direct_{bits}.bmp", bmp(7, 5, bits, data)
        yield f"direct_{bits}_top_down.bmp", bmp(7, 5, bits, data, flipped=True)
        yield f"direct_{bits}_os2.bmp", bmp(7, 5, bits, data, size=12)
        for size in (52, 56, 64, 108, 124):
            yield f"direct_{bits}_{size}.bmp", bmp(7, 5, bits, data, size=size)
        yield f"direct_{bits}_gap.bmp", bmp(7, 5, bits, data, behind=b"hello")
    every = [
        (0xFF0000, 0xFF00, 0xFF, 0), (0xFF000000, 0xFF0000, 0xFF00, 0), (0xFF000000, 0xFF00, 0xFF, 0),
        (0xFF000000, 0xFF0000, 0xFF00, 0xFF), (0xFF, 0xFF00, 0xFF0000, 0xFF000000),
        (0xFF0000, 0xFF00, 0xFF, 0xFF000000), (0xFF000000, 0xFF00, 0xFF, 0xFF0000), (0, 0, 0, 0),
        (0xFF, 0xFF00, 0xFF0000, 0),
    ]  # fmt: skip
    for index, masks in enumerate(every):
        yield f"masks_32_{index}.bmp", bmp(7, 5, 32, words(5, 7, 4), 3, size=108, masks=masks)
        yield f"masks_32_{index}_short.bmp", bmp(7, 5, 32, words(5, 7, 4), 3, masks=masks[:3])
    yield "masks_32_52.bmp", bmp(7, 5, 32, words(5, 7, 4), 3, size=52, masks=every[0])
    yield "masks_32_56.bmp", bmp(7, 5, 32, words(5, 7, 4), 3, size=56, masks=every[5])
    yield "masks_24.bmp", bmp(7, 5, 24, words(5, 7, 3), 3, masks=every[0][:3])
    for name, masks in [("565", (0xF800, 0x7E0, 0x1F)), ("555", (0x7C00, 0x3E0, 0x1F)), ("444", (0xF00, 0xF0, 0xF))]:
        yield f"masks_16_{name}.bmp", bmp(7, 5, 16, words(5, 7, 2), 3, masks=masks)
    yield "masks_8.bmp", bmp(7, 5, 8, words(5, 7, 1), 3, masks=every[0][:3], palette=quads(colors(256)))
    yield "masks_cut.bmp", bmp(7, 5, 32, b"", 3, masks=(0xFF0000,))

    eight, four = quads(colors(256, 3)), quads(colors(16, 4))
    runs = bytes([3, 7, 0, 3, 1, 2, 9, 0, 2, 200, 0, 0, 8, 4, 0, 0, 0, 2, 3, 1, 4, 6, 0, 1])
    nibbles = bytes([5, 0x7A, 0, 3, 0x12, 0x90, 0, 0, 8, 0x4C, 0, 0, 0, 2, 3, 1, 4, 0x6F, 0, 1])
    for name, bits, compression, palette, data in [
        ("rle8", 8, 1, eight, runs), ("rle4", 4, 2, four, nibbles), ("rle8_of_4", 4, 1, four, runs[:-2]),
        ("rle4_of_8", 8, 2, eight, nibbles),
    ]:  # fmt: skip
        fill = bytes([8, 3, 0, 0]) * 3 + bytes([0, 1])
        yield f"{name}.bmp", bmp(8, 5, bits, data[:-2] + fill, compression, palette)
        yield f"{name}_top_down.bmp", bmp(8, 5, bits, data[:-2] + fill, compression, palette, flipped=True)
        yield f"{name}_odd_start.bmp", bmp(8, 5, bits, data[:-2] + fill, compression, palette, behind=b"!")
        yield f"{name}_ends_early.bmp", bmp(8, 5, bits, data, compression, palette)
    yield "rle8_row_too_long.bmp", bmp(8, 2, 8, bytes([20, 3, 0, 0, 6, 2, 5, 1]), 1, eight)
    yield "rle8_absolute_too_long.bmp", bmp(8, 2, 8, bytes([0, 20]) + bytes(range(20)), 1, eight)
    yield "rle8_cut.bmp", bmp(8, 2, 8, bytes([0, 14]) + bytes(range(9)), 1, eight)
    yield "rle8_one_row.bmp", bmp(8, 1, 8, bytes([8, 3]), 1, eight)
    yield "rle8_jump_beyond.bmp", bmp(8, 2, 8, bytes([1, 3, 0, 2, 255, 255]), 1, eight)
    yield "rle8_greys.bmp", bmp(8, 1, 8, bytes([8, 3]), 1, quads(greys(256)))
    yield "rle8_black_and_white.bmp", bmp(8, 1, 8, bytes([3, 0, 5, 2]), 1, quads(bytes(3) + b"\xff" * 3), used=2)
    yield "rle8_of_24.bmp", bmp(8, 1, 24, bytes([8, 3]), 1)

    data = words(5, 7, 3)
    for bits in (0, 2, 15, 64):
        yield f"bits_{bits}.bmp", bmp(7, 5, bits, data)
    for compression in (4, 5, 6, 11):
        yield f"compression_{compression}.bmp", bmp(7, 5, 24, data, compression)
    yield "header_16.bmp", bmp(7, 5, 24, data)[:14] + struct.pack("<I", 16) + bytes(60)
    yield "no_width.bmp", bmp(0, 5, 24, data)
    yield "no_height.bmp", bmp(7, 0, 24, data)
    yield "palette_of_300.bmp", bmp(7, 5, 8, words(5, 7, 1), palette=quads(colors(300)), used=300)
    yield "palette_of_70000.bmp", bmp(7, 5, 8, words(5, 7, 1), palette=quads(colors(300)), used=70000)
    yield "no_row_padding.bmp", bmp(7, 5, 24, data[:-3])
    yield "cut.bmp", bmp(7, 5, 24, data[:-4])
    yield "offset_beyond_end.bmp", bmp(7, 5, 24, data, offset=5000)
    for mode in ("1", "L", "P", "RGB", "RGBA"):
        image = Image.fromarray(np.dstack([picture(9, 14, 6), random.randint(0, 256, (9, 14))]).astype(np.uint8))
        out = io.BytesIO()
        (image if mode == "RGBA" else image.convert("RGB").convert(mode)).save(out, "BMP")
        yield f"pillow_{mode}.bmp", out.getvalue()


# --- JPEG files with several pictures ---


def mpos():
    images = [Image.fromarray(picture(11, 17, n)) for n in range(2)]
    out = io.BytesIO()
    images[0].save(out, "MPO", save_all=True, append_images=images[1:], quality=90)
    yield "two.mpo", out.getvalue()
    exif = Image.Exif()
    exif[0x0112] = 6
    out = io.BytesIO()
    images[0].save(out, "MPO", save_all=True, append_images=images[1:], quality=90, exif=exif.tobytes())
    yield "turned.mpo", out.getvalue()


def readable_from(data, expected):
    def reads(count):
        try:
            return np.array_equal(converted(data[:count]), expected)
        except REFUSED:
            return False

    lengths = [count for count in range(len(data)) if reads(count)]
    first = lengths[0] if lengths else len(data)
    assert lengths == list(range(first, len(data))), "not every longer beginning gives the same picture"
    return first


if __name__ == "__main__":
    results = Results("formats")
    for name, data in [*webps(), *gifs(), *bmps(), *mpos()]:
        (results.folder / name).write_bytes(data)
        try:
            expected = converted(data)
        except REFUSED as error:
            kind = "unsupported" if str(error).startswith("Unsupported BMP") else "damaged"
            print(f"{name}: {type(error).__name__}: {error}")
            results.entries.append({"file": name, "fails": kind})
            continue
        results.add({"file": name, "readable_from": readable_from(data, expected)}, expected)
        other = plain(data)
        if not np.array_equal(other, expected):
            results.add({"file": name, "plain": True}, other)
    results.write()
