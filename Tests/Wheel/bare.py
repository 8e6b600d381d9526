"""Root directories that hold a Python, the libraries that every wheel may use, an environment, and nothing else.

    bare.py pythons                   the Pythons of this machine, one for each minor version from 3.10 on
    bare.py make PYTHON FOLDER        makes FOLDER such a root directory, with an empty environment in FOLDER/venv
    bare.py run FOLDER PROGRAM ARG…   runs a program of it, by its path there, without variables; {root} in an argument
                                      is the root directory
    bare.py isolated                  whether `run` can change the root directory

A change of the root directory needs user namespaces, which some systems refuse. Then `run` starts the same files in the
system's root directory.
"""

import glob
import os
import re
import shutil
import subprocess
import sys

from elftools.elf.dynamic import DynamicSection
from elftools.elf.elffile import ELFFile
from elftools.elf.segments import InterpSegment

# What PEP 600 lets a wheel take from the system, as far as libdama, numpy and ONNX Runtime use it.
SYSTEM = ["libc.so.6", "libm.so.6", "libdl.so.2", "librt.so.1", "libpthread.so.0", "libutil.so.1", "libgcc_s.so.1",
          "libstdc++.so.6", "libz.so.1"]  # fmt: skip
# Prints the files of the libraries that Python and ctypes need, and of those that are its arguments.
MAPPED = """
import ctypes, sys
for name in sys.argv[1:]:
    try:
        ctypes.CDLL(name)
    except OSError:
        pass  # A newer glibc may have no libdl and the like.
print(*sorted({line.split()[-1] for line in open("/proc/self/maps") if ".so" in line.split()[-1]}), sep="\\n")
"""
# Prints the minor version and the file of a CPython that can be used.
ABOUT = """
import ctypes, os, sys, venv
if sys.implementation.name != "cpython" or sys.version_info < (3, 10) or sys.prefix != sys.base_prefix:
    sys.exit(1)
print(sys.version_info[1], os.path.realpath(sys.executable), sep="\\n")
"""
FOLDERS = "import sysconfig; print(sysconfig.get_path('stdlib'), sysconfig.get_path('platstdlib'), sep='\\n')"
LEFT_OUT = ("test", "site-packages", "dist-packages", "ensurepip", "idlelib", "tkinter", "config-*", "*.a")


def output(*command: str) -> list[str]:
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.splitlines()


def pythons() -> list[str]:
    """$PYTHONS, or those on the PATH and in the folders of pyenv and uv; the first of each minor version."""
    patterns = [f"{folder}/python3*" for folder in os.environ.get("PATH", "").split(":")]
    patterns.append(os.environ.get("PYENV_ROOT", os.path.expanduser("~/.pyenv")) + "/versions/3.*/bin/python3")
    data = os.environ.get("XDG_DATA_HOME", os.path.expanduser("~/.local/share"))
    patterns.append(f"{data}/uv/python/cpython-3.*/bin/python3")
    candidates = [path for pattern in patterns for path in sorted(glob.glob(pattern))
                  if re.fullmatch(r"python3(\.\d+)?", os.path.basename(path))]  # fmt: skip
    found: dict[int, str] = {}
    for path in os.environ.get("PYTHONS", "").split() or candidates:
        # pyenv has a program of each name on the PATH, which fails unless its version is chosen.
        done = subprocess.run([path, "-c", ABOUT], capture_output=True, text=True)
        if done.returncode == 0:
            minor, executable = done.stdout.splitlines()
            found.setdefault(int(minor), executable)
    return [found[minor] for minor in sorted(found)]


def soname(path: str) -> str:
    with open(path, "rb") as file:
        for section in ELFFile(file).iter_sections():
            if isinstance(section, DynamicSection):
                for tag in section.iter_tags():
                    if tag.entry.d_tag == "DT_SONAME":
                        return str(tag.soname)
    return os.path.basename(path)


def interpreter(path: str) -> str:
    with open(path, "rb") as file:
        return next(str(it.get_interp_name()) for it in ELFFile(file).iter_segments() if isinstance(it, InterpSegment))


def copy(path: str, folder: str, name: str = "") -> None:
    """Puts a file at the same place below ``folder``."""
    target = os.path.join(folder + os.path.dirname(path), name or os.path.basename(path))
    os.makedirs(os.path.dirname(target), exist_ok=True)
    shutil.copy(path, target)


def make(python: str, folder: str) -> None:
    for name in ("proc", "dev", "tmp", "data"):
        os.makedirs(f"{folder}/{name}")
    for name in ("lib", "lib64", "bin"):
        if os.path.islink(f"/{name}"):
            os.makedirs(f"{folder}/usr/{name}", exist_ok=True)
            os.symlink(os.readlink(f"/{name}"), f"{folder}/{name}")
    copy(python, folder)
    copy(interpreter(python), folder)
    modules = sorted(set(map(os.path.realpath, output(python, "-c", FOLDERS))))
    for path in modules:
        if not os.path.exists(folder + path):
            shutil.copytree(path, folder + path, symlinks=True, ignore=shutil.ignore_patterns(*LEFT_OUT))
    for path in output(python, "-c", MAPPED, *SYSTEM):
        if not any(path.startswith(f"{one}/") for one in modules):
            copy(path, folder, soname(path))
    subprocess.run([python, "-m", "venv", "--without-pip", f"{folder}/venv"], check=True)


def isolated() -> bool:
    command = ["unshare", "--user", "--map-root-user", "--mount", "chroot", "/", "true"]
    try:
        return subprocess.run(command, capture_output=True).returncode == 0
    except OSError:
        return False


def run(folder: str, program: list[str]) -> int:
    if not isolated():
        command = [folder + program[0], *(part.replace("{root}", folder) for part in program[1:])]
        return subprocess.run(command, cwd="/", env={}).returncode
    # The kernel's tables: ONNX Runtime reads the processors, and a program may look at itself.
    script = 'mount --rbind /proc "$1/proc" && mount --rbind /dev "$1/dev" && exec env -i "$(command -v chroot)" "$@"'
    command = ["unshare", "--user", "--map-root-user", "--mount", "sh", "-c", script, "-", folder,
               *(part.replace("{root}", "") for part in program)]  # fmt: skip
    return subprocess.run(command, env={"PATH": os.environ.get("PATH", os.defpath)}).returncode


def main() -> int:
    what, *rest = sys.argv[1:]
    if what == "pythons":
        print(*pythons(), sep="\n")
    elif what == "make":
        make(*rest)
    elif what == "isolated":
        return 0 if isolated() else 1
    elif what == "run":
        return run(rest[0], rest[1:])
    else:
        raise SystemExit(__doc__)
    return 0


if __name__ == "__main__":
    sys.exit(main())
