"""The generated mirror of the header, against the header and a C compiler's sizes, offsets and values."""

import ctypes
import os
import re
import shutil
import subprocess
import sys
from enum import IntEnum
from pathlib import Path

import pytest

from libdama import _abi, _errors

ROOT = Path(__file__).resolve().parents[3]
INCLUDE = ROOT / "include"

STRUCTS = {
    name: kind for name, kind in vars(_abi).items() if isinstance(kind, type) and issubclass(kind, ctypes.Structure)
}
ENUMS = {
    name: kind
    for name, kind in vars(_abi).items()
    if isinstance(kind, type) and issubclass(kind, IntEnum) and kind is not IntEnum
}
#: Found with other patterns than those in generate_abi.py.
TEXT = re.sub(
    r"/\*.*?\*/", "", "\n".join(p.read_text() for p in [INCLUDE / "dama.h", *INCLUDE.glob("dama/*.h")]), flags=re.S
)

needs_a_compiler = pytest.mark.skipif(shutil.which("cc") is None, reason="needs a C compiler")


def compiled(tmp_path: Path, expressions: list[str]) -> list[int]:
    """The values of integer expressions, by a C compiler."""
    lines = "\n".join(f'    printf("%lld\\n", (long long)({expression}));' for expression in expressions)
    program = f"#include <dama.h>\n#include <stdio.h>\nint main(void) {{\n{lines}\n    return 0;\n}}\n"
    (tmp_path / "values.c").write_text(program)
    command = ["cc", "-std=c99", f"-I{INCLUDE}", str(tmp_path / "values.c"), "-o", str(tmp_path / "values")]
    subprocess.run(command, check=True)
    return [int(line) for line in subprocess.run([tmp_path / "values"], check=True, capture_output=True).stdout.split()]


@needs_a_compiler
@pytest.mark.parametrize("script", ["generate_abi.py", "generate_settings.py"])
def test_the_generated_files_are_current(script):
    command = [sys.executable, str(ROOT / "scripts" / script), "--check"]
    found = subprocess.run(command, capture_output=True, text=True, env={**os.environ, "CC": "cc"})
    assert found.returncode == 0, found.stderr


def test_everything_in_the_header_is_there():
    enums = set(re.findall(r"^typedef enum (dama_\w+)", TEXT, re.M))
    assert set(ENUMS) == enums
    assert set(STRUCTS) == set(re.findall(r"^\} (dama_\w+);$", TEXT, re.M)) - enums
    functions = set(re.findall(r"^DAMA_API [^;(]*?(dama_\w+)\(", TEXT, re.M))
    assert functions
    for name in functions:
        assert getattr(_abi, name).argtypes is not None, name
    macros = set(re.findall(r"^#define (dama_\w+)\(", TEXT, re.M))
    assert macros and all(callable(getattr(_abi, name)) for name in macros)


@needs_a_compiler
def test_sizes_and_offsets_are_the_compilers(tmp_path):
    mirrored = {}
    for name, kind in STRUCTS.items():
        mirrored[f"sizeof({name})"] = ctypes.sizeof(kind)
        for field, *_ in kind._fields_:
            place = getattr(kind, field)
            mirrored[f"offsetof({name}, {field})"] = place.offset
            mirrored[f"sizeof((({name} *)0)->{field})"] = place.size
    assert dict(zip(mirrored, compiled(tmp_path, list(mirrored)))) == mirrored


def test_no_field_of_the_header_is_left_out():
    bodies = dict(re.findall(r"^typedef struct (dama_\w+) \{(.*?)^\} \1;", TEXT, re.M | re.S))
    for name, kind in STRUCTS.items():
        fields = re.findall(r"(\w+)\s*(?:\[\w+\])?;", bodies[name])
        assert [field for field, *_ in kind._fields_] == fields, name


@needs_a_compiler
def test_enumerators_are_the_compilers(tmp_path):
    mirrored = {name: int(member) for kind in ENUMS.values() for name, member in kind.__members__.items()}
    assert set(mirrored) == set(re.findall(r"\b(DAMA_[A-Z0-9_]+) = ", TEXT))
    sizes = {f"sizeof({name})": ctypes.sizeof(ctypes.c_uint) for name in ENUMS}
    constants = {name: getattr(_abi, name) for name in ("DAMA_ABI_VERSION", "DAMA_IGNORED_LABEL")}
    values = {**mirrored, **sizes, **constants, "DAMA_REST == (size_t)-1": 1}
    assert dict(zip(values, compiled(tmp_path, list(values)))) == values
    assert _abi.DAMA_REST == 2 ** (8 * ctypes.sizeof(ctypes.c_size_t)) - 1


def test_every_status_has_an_exception():
    failures = [status for status in _abi.dama_status if status != _abi.dama_status.DAMA_OK]
    assert [_errors.error_for(status, "").status for status in failures] == failures
    # A defect of the library is the base class.
    assert len({type(_errors.error_for(status, "")) for status in failures}) == len(failures)
