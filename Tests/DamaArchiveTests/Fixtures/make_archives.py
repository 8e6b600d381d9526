"""Makes the archives and pickles beside it with Python's zipfile and pickle: make_archives.py, without arguments."""

import pickle
import struct
import zipfile
from pathlib import Path

here = Path(__file__).parent


def entry(name):
    # A fixed date, so that the files are the same every time.
    info = zipfile.ZipInfo(name, (2024, 1, 1, 0, 0, 0))
    info.external_attr = 0o644 << 16
    return info


members = {
    "folder/": b"",
    "folder/empty.txt": b"",
    "folder/lines.txt": b"".join(b"line %d\n" % i for i in range(2000)),
    "folder/gr\u00fc\u00dfe.txt": "Gr\u00fc\u00dfe, \u4e16\u754c\n".encode(),
}
with zipfile.ZipFile(here / "mixed.zip", "w") as file:
    for name, data in members.items():
        file.writestr(entry(name), data, zipfile.ZIP_STORED if name.endswith("/") else zipfile.ZIP_DEFLATED)
    file.writestr(entry("stored.bin"), bytes(range(256)), zipfile.ZIP_STORED)
with zipfile.ZipFile(here / "bzip2.zip", "w") as file:
    file.writestr(entry("lines.txt"), members["folder/lines.txt"], zipfile.ZIP_BZIP2)
# Sizes that are not known when the local header is written stand behind the data.
class Pipe:
    def __init__(self, file):
        self.write, self.flush = file.write, file.flush


with open(here / "streamed.zip", "wb") as out, zipfile.ZipFile(Pipe(out), "w") as file:
    file.writestr(entry("lines.txt"), members["folder/lines.txt"], zipfile.ZIP_DEFLATED)

numbers = [1, -2, 300, 70000, 1 << 40, None, True, False]
value = ({"a": {"NN": 0.5, "VB": -1.25e-3}, "b": {}}, numbers, {"x", "x"}, ("é",))
(here / "plain2.pickle").write_bytes(pickle.dumps(value, protocol=2))
(here / "plain3.pickle").write_bytes(pickle.dumps(value, protocol=3))


# A short byte string of Python 2, which Python 3 reads and does not write.
def old(text):
    return b"U" + struct.pack("B", len(text)) + text


(here / "python2.pickle").write_bytes(b"\x80\x02}(" + old(b"one") + b"K\x01" + old(b"two") + b"K\x02u.")
assert pickle.loads((here / "python2.pickle").read_bytes()) == {"one": 1, "two": 2}
