"""Small files of torch.save, right ones and hostile ones, for TorchFileTests.

Run in the environment of `make test-torch`; writes torch/ beside this file: NAME.bin, and expected.json with the values
of the readable ones as torch.load gives them.
"""

import collections
import io
import json
import os
import pickle
import shutil
import zipfile
from pathlib import Path

import torch

root = Path(__file__).with_name("torch")
shutil.rmtree(root, ignore_errors=True)
root.mkdir()
torch.manual_seed(0)


def save(name, value, **options):
    torch.save(value, root / f"{name}.bin", **options)


base = torch.randn(6, 4)
shared = torch.randn(3, 5)
READABLE = {
    "types": collections.OrderedDict(
        float=torch.randn(2, 3), half=torch.randn(5).half(), brain=torch.randn(2, 2).bfloat16(), scalar=torch.tensor(2.5)
    ),
    # Views share one storage: a slice of rows, a tied weight, an empty tensor, a size of one with any stride.
    "views": {"rows": base[2:4], "a": shared, "b": shared, "none": base[:0], "one": base[1:2]},
    "parameters": {"w": torch.nn.Parameter(torch.randn(2, 2)), "Ünïcode.重み": torch.ones(1)},
    "module": torch.nn.Sequential(torch.nn.Linear(3, 2), torch.nn.LayerNorm(2)).state_dict(),
    "integers": {"position_ids": torch.arange(5).expand(1, -1).contiguous(), "flags": torch.tensor([True, False])},
}
expected = {}
for name, tensors in READABLE.items():
    save(name, tensors)
    loaded = torch.load(root / f"{name}.bin", weights_only=True)
    assert list(loaded) == list(tensors)
    expected[name] = {
        key: {"dtype": str(t.dtype).removeprefix("torch."), "shape": list(t.shape), "values": t.double().flatten().tolist()}
        for key, t in loaded.items()
    }
(root / "expected.json").write_text(json.dumps(expected, ensure_ascii=False) + "\n")

save("transposed", {"w": torch.randn(2, 3).t()})
save("nested", {"state_dict": {"w": torch.ones(1)}})
save("list", [torch.ones(1)])
save("number", {"w": torch.ones(1), "epoch": 3})
save("model", torch.nn.Linear(2, 2))
save("protocol4", {"w": torch.ones(1)}, pickle_protocol=4)
save("legacy", {"w": torch.ones(1)}, _use_new_zipfile_serialization=False)
save("quantized", {"w": torch.ones(1).to(torch.float8_e4m3fn)})


class Command:
    """What a pickle of an attacker does when it is loaded."""

    def __reduce__(self):
        return (os.system, ("exit 1",))


def archive(name, members, method=zipfile.ZIP_STORED):
    with zipfile.ZipFile(root / f"{name}.bin", "w", method) as file:
        for member, data in members.items():
            file.writestr(zipfile.ZipInfo(member), data, method)


archive("command", {"x/data.pkl": pickle.dumps({"w": Command()}, 2)})
with zipfile.ZipFile(root / "types.bin") as file:
    members = {name: file.read(name) for name in file.namelist()}
archive("compressed", members, zipfile.ZIP_DEFLATED)
archive("no_pickle", {"word/document.xml": b"<w/>"})
archive("big_endian", {name: b"big" if name.endswith("byteorder") else data for name, data in members.items()})
archive("short_storage", {name: data[:4] if "/data/0" in name else data for name, data in members.items()})
archive("no_storage", {name: data for name, data in members.items() if "/data/0" not in name})

# The archive of more than 4 GiB needs zip64; a small one with zip64 records has the same form.
stream = io.BytesIO()
with zipfile.ZipFile(stream, "w") as file:
    for member, data in members.items():
        with file.open(member, "w", force_zip64=True) as target:
            target.write(data)
data = bytearray(stream.getvalue())
# A central entry with sizes and offset in the zip64 field, and a zip64 end record, as files above 4 GiB have.
end = data.rindex(b"PK\x05\x06")
start = int.from_bytes(data[end + 16 : end + 20], "little")
directory, position, count = bytearray(), start, 0
while data[position : position + 4] == b"PK\x01\x02":
    sizes = [int.from_bytes(data[position + at : position + at + 4], "little") for at in (24, 20, 42)]
    lengths = [int.from_bytes(data[position + at : position + at + 2], "little") for at in (28, 30, 32)]
    entry = bytearray(data[position : position + 46 + lengths[0]])
    for at in (20, 24, 42):
        entry[at : at + 4] = b"\xff" * 4
    field = b"\x01\x00" + (24).to_bytes(2, "little") + b"".join(size.to_bytes(8, "little") for size in sizes)
    entry[30:32] = len(field).to_bytes(2, "little")
    entry[32:34] = b"\0\0"
    directory += entry + field
    position += 46 + sum(lengths)
    count += 1
record = b"PK\x06\x06" + (44).to_bytes(8, "little") + bytes(12)
record += count.to_bytes(8, "little") * 2 + len(directory).to_bytes(8, "little") + start.to_bytes(8, "little")
locator = b"PK\x06\x07" + bytes(4) + (start + len(directory)).to_bytes(8, "little") + (1).to_bytes(4, "little")
tail = b"PK\x05\x06" + bytes(4) + b"\xff\xff" * 2 + b"\xff\xff\xff\xff" * 2 + bytes(2)
(root / "zip64.bin").write_bytes(bytes(data[:start]) + bytes(directory) + record + locator + tail)
loaded = torch.load(root / "zip64.bin", weights_only=True)
assert all(torch.equal(loaded[key], tensor) for key, tensor in READABLE["types"].items())
