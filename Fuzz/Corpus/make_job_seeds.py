"""Writes the seeds of Checkpoint and Journal. Needs the dama package, for the state of a controller."""

import struct
from pathlib import Path

import libdama

HERE = Path(__file__).parent


def record(data: bytes, in_ring: bool = False) -> bytes:
    return struct.pack("<H", len(data) | (0x8000 if in_ring else 0)) + data


def row(tag: int, data: bytes) -> bytes:
    return bytes([tag]) + struct.pack("<I", len(data)) + data


def block(head: int, *rows: bytes) -> bytes:
    return record(struct.pack("<IQI", 8, head, len(rows)) + b"".join(rows) + bytes(len(rows)))


def scored(delta: float, flags: bytes = b"") -> bytes:
    head = b'{"id":1,"delta":'
    return row(0, struct.pack("<dIII", delta, 1, 2, len(flags)) + flags + struct.pack("<I", len(head)) + head + b"}\n")


def slot(position: int) -> bytes:
    return record(struct.pack("<Q", position) + bytes(range(32)) + struct.pack("<ff", 1, 2), in_ring=True)


def main() -> None:
    state = libdama.AdaptiveBeta(keep=2).state().hex()
    for name, steps, note in [
        ("start", 0, '{"batch":1}'),
        ("later", 2**53, '{"batch":100,"identity":{}}'),
        ("huge", 2**64 - 1, '{"batch":-5}'),
        ("null", 3, "null"),
    ]:
        text = f'{{"version":1,"steps":"{steps}","skipped":"0","controller":"{state}","note":{note}}}'
        (HERE / "Checkpoint" / name).write_text(text)
    rejected = row(1, b'{"line":3,"reason":"x"}')
    (HERE / "Journal" / "rows").write_bytes(block(0, scored(0.5), scored(-0.25, b"same"), rejected))
    (HERE / "Journal" / "ring").write_bytes(block(2, scored(0.1)) + b"".join(map(slot, range(8))))
    (HERE / "Journal" / "head").write_bytes(block(2**63 - 1, scored(0.1)))


main()
