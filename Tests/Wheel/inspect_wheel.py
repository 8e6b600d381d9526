"""Checks the file of the wheel: its tag, what its libraries need from the system, its metadata and notices.

    .deps/wheel/bin/python Tests/Wheel/inspect_wheel.py WHEEL VERSION

Prints one line on what it found.
"""

import base64
import csv
import email
import hashlib
import io
import os
import posixpath
import re
import subprocess
import sys
import zipfile

from elftools.elf.dynamic import DynamicSection
from elftools.elf.elffile import ELFFile
from elftools.elf.gnuversions import GNUVerNeedSection

# What PEP 600 lets a wheel take from the system, of which libdama needs these.
SYSTEM = re.compile(r"lib(c|m|dl|rt|pthread)\.so\.\d+|lib(stdc\+\+\.so\.6|gcc_s\.so\.1|z\.so\.1)|ld-linux.*\.so\.\d+")
# The oldest glibc on which Swift's standard library works: 2.34 has pthread_create in libc.
OLDEST = (2, 34)
# Libraries of the wheel, and their sections in THIRD-PARTY-NOTICES.txt.
NOTICES = {
    "libjpeg": "libjpeg-turbo",
    "libpng16": "libpng",
    "libwebp": "libwebp and libwebpdemux",
    "libwebpdemux": "libwebp and libwebpdemux",
    "libgif": "giflib",
    "libyaml": "libyaml",
}
EXTRAS = {"cpu", "cuda", "torch", "trl", "ray", "data", "plot", "wandb", "notebook"}
PYTHONS = {f"Programming Language :: Python :: 3.{minor}" for minor in range(10, 15)}


def newest_glibc(elf: ELFFile) -> tuple[int, ...]:
    """The newest version of glibc that a library asks for."""
    found: tuple[int, ...] = (0,)
    for section in elf.iter_sections():
        if isinstance(section, GNUVerNeedSection):
            for _, versions in section.iter_versions():
                for version in versions:
                    if match := re.fullmatch(r"GLIBC_([\d.]+)", version.name):
                        found = max(found, tuple(map(int, match[1].split("."))))
    return found


def check_libraries(wheel: zipfile.ZipFile) -> tuple[tuple[int, ...], list[str]]:
    """The newest glibc that any library needs, and the names of those beside libdama.so."""
    libraries = [name for name in wheel.namelist() if re.search(r"\.so(\.|$)", name)]
    assert "libdama/lib/libdama.so.1" in libraries, libraries
    glibc: tuple[int, ...] = (0,)
    for name in libraries:
        elf = ELFFile(io.BytesIO(wheel.read(name)))
        dynamic = next(section for section in elf.iter_sections() if isinstance(section, DynamicSection))
        tags = list(dynamic.iter_tags())
        needed = [tag.needed for tag in tags if tag.entry.d_tag == "DT_NEEDED"]
        paths = [path for tag in tags if tag.entry.d_tag in ("DT_RPATH", "DT_RUNPATH")
                 for path in (getattr(tag, "rpath", None) or tag.runpath).split(":")]  # fmt: skip
        assert all(path.startswith("$ORIGIN") for path in paths), f"{name} looks for libraries in {paths}"
        folders = [posixpath.normpath(path.replace("$ORIGIN", posixpath.dirname(name))) for path in paths]
        for one in needed:
            inside = any(f"{folder}/{one}" in libraries for folder in folders)
            assert inside or SYSTEM.fullmatch(one), f"{name} needs {one}, which a system may lack"
        glibc = max(glibc, newest_glibc(elf))
    return glibc, [posixpath.basename(name) for name in libraries if not name.startswith("libdama/")]


def check_record(wheel: zipfile.ZipFile, info: str) -> None:
    rows = list(csv.reader(io.StringIO(wheel.read(f"{info}/RECORD").decode())))
    files = {name for name in wheel.namelist() if not name.endswith("/")}
    assert {row[0] for row in rows} == files, {row[0] for row in rows} ^ files
    for name, digest, _ in rows:
        if name != f"{info}/RECORD":
            found = base64.urlsafe_b64encode(hashlib.sha256(wheel.read(name)).digest()).rstrip(b"=").decode()
            assert digest == f"sha256={found}", f"{name} differs from RECORD"


def check_metadata(wheel: zipfile.ZipFile, info: str, version: str) -> None:
    metadata = email.message_from_bytes(wheel.read(f"{info}/METADATA"))
    assert (metadata["Name"], metadata["Version"]) == ("libdama", version), (metadata["Name"], metadata["Version"])
    assert metadata["Requires-Python"] == ">=3.10", metadata["Requires-Python"]
    assert set(metadata.get_all("Provides-Extra") or []) == EXTRAS, metadata.get_all("Provides-Extra")
    assert PYTHONS <= set(metadata.get_all("Classifier") or []), metadata.get_all("Classifier")
    assert metadata["Description-Content-Type"] == "text/markdown" and "```python" in str(metadata.get_payload())
    assert metadata["License-Expression"] == "Apache-2.0"
    for name in metadata.get_all("License-File") or []:
        assert wheel.read(f"{info}/licenses/{name}"), name


def check_notices(wheel: zipfile.ZipFile, info: str, beside: list[str]) -> None:
    text = wheel.read(f"{info}/licenses/THIRD-PARTY-NOTICES.txt").decode()
    for library in beside:
        project = re.match(r"(lib[a-z]+(?:16)?)", library)
        section = NOTICES.get(project[1]) if project else None
        assert section, f"{library} is new: its licence has to be in THIRD-PARTY-NOTICES.txt"
        assert re.search(rf"^-+\n{re.escape(section)}\n-+\n", text, re.M), f"no section {section!r} for {library}"


def main() -> None:
    path, version = sys.argv[1:]
    name = os.path.basename(path)
    match = re.fullmatch(rf"libdama-{re.escape(version)}-py3-none-manylinux_(\d+)_(\d+)_\w+\.whl", name)
    assert match, f"{name} is not a wheel of manylinux for any Python 3"
    tag = int(match[1]), int(match[2])
    with zipfile.ZipFile(path) as wheel:
        info = f"libdama-{version}.dist-info"
        names = wheel.namelist()
        assert "libdama/py.typed" in names
        extra = [one for one in names if not re.match(rf"libdama(\.libs|-{re.escape(version)}\.dist-info)?/", one)
                 or re.search(r"\.pyc$|/tests?/", one)]  # fmt: skip
        assert not extra, f"these do not belong into the wheel: {extra}"
        glibc, beside = check_libraries(wheel)
        assert glibc <= tag, f"a library needs glibc {glibc}; the tag says {tag}"
        # A library that was built on a newer system may need newer functions.
        here = subprocess.check_output(["getconf", "GNU_LIBC_VERSION"], text=True).split()[1]
        assert tag <= OLDEST or tuple(map(int, here.split("."))) > (2, 36), f"the tag is {tag}, not {OLDEST}"
        check_record(wheel, info)
        check_metadata(wheel, info, version)
        check_notices(wheel, info, beside)
    size, version_needed = os.path.getsize(path) / 1e6, ".".join(map(str, glibc))
    print(f"      {name}: {size:.1f} MB, glibc {version_needed}, with {len(beside)} libraries")


main()
