"""The CUDA kernels without a device: their definitions in float64 on the CPU and in emulation, their compilation by NVRTC
for devices of three generations, and the cache of machine code."""

import ctypes
import os
import re
import stat
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
F32, F16, BF16 = 1, 10, 16


@pytest.fixture(scope="session")
def libraries(tmp_path_factory):
    folder = tmp_path_factory.mktemp("cuda")
    paths = folder / "libdamacuda.so", folder / "libemulation.so"
    subprocess.run([ROOT / "scripts/cuda/build", *paths], check=True)
    return paths


@pytest.mark.parametrize("arguments", [["--on", "cpu"], ["--on", "emulation"], ["--on", "emulation", "--shift", "1"]],
                         ids=["cpu", "emulation", "unaligned"])
def test_definitions(libraries, arguments):
    library, emulation = libraries
    done = subprocess.run([sys.executable, ROOT / "scripts/cuda/kernels.py", library, "--emulation", emulation, *arguments],
                          capture_output=True, text=True, timeout=600)
    assert done.returncode == 0, done.stdout[-4000:] + done.stderr
    assert re.search(r"kernels on \w+: 0 wrong", done.stdout)


class Compiler:
    def __init__(self, path):
        os.environ["DAMA_NVRTC"] = os.environ.get("DAMA_NVRTC") or str(
            next(iter(sorted((ROOT / ".deps/nvrtc").glob("nvidia/*/lib/libnvrtc.so.*"))), "libnvrtc.so.13"))
        self.library = ctypes.CDLL(str(path))
        for name in ("cdama_nvrtc_status", "cdama_nvrtc_compile", "cdama_cuda_image"):
            getattr(self.library, name).restype = ctypes.c_char_p
        self.free = ctypes.CDLL(None).free
        self.free.argtypes = [ctypes.c_void_p]

    def status(self):
        return self.library.cdama_nvrtc_status()

    def compile(self, architecture, kind):
        log, image, size = ctypes.c_void_p(), ctypes.c_void_p(), ctypes.c_size_t()
        error = self.library.cdama_nvrtc_compile(architecture, kind, 1, ctypes.byref(log), ctypes.byref(image),
                                                 ctypes.byref(size))
        text = ctypes.string_at(log).decode() if log else ""
        code = ctypes.string_at(image, size.value) if image else b""
        self.free(log)
        self.free(image)
        return error, text, code

    def image(self, architecture, kind):
        image, size, compiled = ctypes.c_void_p(), ctypes.c_size_t(), ctypes.c_int()
        error = self.library.cdama_cuda_image(architecture, kind, ctypes.byref(image), ctypes.byref(size),
                                              ctypes.byref(compiled))
        assert error is None, error
        code = ctypes.string_at(image, size.value)
        self.free(image)
        return code, bool(compiled.value)


@pytest.fixture(scope="session")
def compiler(libraries):
    compiler = Compiler(libraries[0])
    reason = compiler.status()
    if reason is not None:
        pytest.skip(reason.decode())
    return compiler


def listed(macro):
    """The kernels of a list in support.h."""
    source = (ROOT / "Sources/CDamaCuda/support.h").read_text()
    return re.findall(r"KERNEL\((\w+)\)", source.split(f"#define {macro}(KERNEL)")[1].split("\n\n")[0])


@pytest.mark.parametrize("architecture, kind", [(90, F32), (90, F16), (90, BF16), (80, BF16), (75, F16), (120, BF16)])
def test_kernels_compile(compiler, architecture, kind):
    error, log, code = compiler.compile(architecture, kind)
    assert error is None, error
    assert "warning" not in log.lower(), log
    names = re.findall(r"Compiling entry function '(\w+)'", log)
    suffix = {F32: "_f32", F16: "_f16", BF16: "_bf16"}[kind]
    has_attention = kind != F32 and architecture >= 80
    expected = listed("CDAMA_KERNEL_LIST") + (listed("CDAMA_ATTENTION_LIST") if has_attention else [])
    assert sorted(names) == sorted(name + suffix for name in expected)
    if architecture < 80:
        return  # the oldest one is there for the list alone
    # A register that does not fit travels through memory at every use.
    assert re.findall(r"(\d+) bytes spill stores", log) == ["0"] * len(names)
    assert code[:4] == b"\x7fELF"


def test_unknown_architecture(compiler):
    error, _, _ = compiler.compile(7, F32)
    assert b"cannot compile the kernels for sm_7" in error
    assert b"\n" not in error


def test_cache(compiler, tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    code, compiled = compiler.image(90, F16)
    assert compiled
    (file,) = (tmp_path / "libdama").iterdir()
    assert re.fullmatch(r"[0-9a-f]{64}\.cubin", file.name)
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert compiler.image(90, F16) == (code, False)
    # A damaged file is compiled again, and replaced.
    damaged = bytearray(file.read_bytes())
    damaged[len(damaged) // 2] ^= 1
    file.write_bytes(damaged)
    again, compiled = compiler.image(90, F16)
    assert compiled and len(again) == len(code)
    assert compiler.image(90, F16) == (again, False)


def test_cache_that_cannot_be_written(compiler, tmp_path, monkeypatch):
    (tmp_path / "file").write_text("not a folder")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    code, compiled = compiler.image(80, F32)
    assert compiled and code[:4] == b"\x7fELF"
