"""Leaves the machine code of one architecture in a library that NVIDIA's compiler made.

Such a library has a section .nv_fatbin: containers one after another, each with a header and entries. An entry is PTX
(kind 1) or machine code (kind 2) of an architecture, with a header that gives the lengths of itself and of its
contents. The format is not documented; the fields are those of the provider of onnxruntime-gpu 1.31.1. Contents that
are not needed become zeros, which compress to nothing. The library then runs on that architecture alone.
"""

from __future__ import annotations

import struct

_MAGIC = 0xBA55ED50
_MACHINE_CODE = 2


def sections(data: bytes | bytearray, wanted: str) -> list[tuple[int, int]]:
    """Offset and size of every section of that name in an ELF file of 64 bits, little-endian."""
    if bytes(data[:6]) != b"\x7fELF\x02\x01":
        raise ValueError("it is no ELF file of 64 bits")
    (table,) = struct.unpack_from("<Q", data, 0x28)
    size, count, names = struct.unpack_from("<HHH", data, 0x3A)
    headers = [struct.unpack_from("<IIQQQQ", data, table + size * i) for i in range(count)]
    strings = headers[names][4]
    found = []
    for name, _, _, _, offset, length in headers:
        end = data.index(b"\0", strings + name)
        if data[strings + name : end].decode() == wanted:
            found.append((offset, length))
    return found


def keep(data: bytearray, architecture: int) -> tuple[int, int]:
    """Changes ``data`` in place; returns the bytes of code that stay and that went.

    Of each container the machine code of the newest architecture up to ``architecture`` stays; where there is none,
    everything does. Machine code runs within one major architecture only, so a container that has, for 90, only 80
    keeps its PTX as well.
    """
    kept = dropped = 0
    for offset, length in sections(data, ".nv_fatbin"):
        at, end = offset, offset + length
        while at + 16 <= end:
            magic, _, header, contents = struct.unpack_from("<IHHQ", data, at)
            if magic != _MAGIC:
                at += 8
                continue
            stop = at + header + contents
            entries = _entries(data, at + header, stop)
            codes = [found for kind, found, _, _ in entries if kind == _MACHINE_CODE]
            best = max((found for found in codes if found <= architecture), default=0)
            runs = best // 10 == architecture // 10
            for kind, found, start, size in entries:
                if not best or (kind == _MACHINE_CODE and found == best) or (kind != _MACHINE_CODE and not runs):
                    kept += size
                else:
                    data[start : start + size] = bytes(size)
                    dropped += size
            at = (stop + 7) // 8 * 8
    if not kept:
        raise ValueError("it has no code for a device")
    return kept, dropped


def _entries(data: bytearray, at: int, stop: int) -> list[tuple[int, int, int, int]]:
    """Kind, architecture, and offset and size of the contents of each entry."""
    found = []
    while at < stop:
        kind, _, header, size = struct.unpack_from("<HHIQ", data, at)
        (architecture,) = struct.unpack_from("<I", data, at + 28)
        if header == 0:
            raise ValueError(f"an entry at {at} has no header; this form of the section is not known")
        found.append((kind, architecture, at + header, size))
        at += header + size
    return found
