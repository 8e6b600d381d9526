"""Bundles libdama.so, which `make build` leaves in the checkout, with the package."""

import os
import re
import shutil
from pathlib import Path

from setuptools import Distribution, setup
from setuptools.command.bdist_wheel import bdist_wheel
from setuptools.command.build_py import build_py

SONAME = "libdama.so.1"
here = Path(__file__).resolve().parent
checkout = here.parent.parent


def version() -> str:
    header = checkout / "include" / "dama" / "base.h"
    if not header.exists():
        raise SystemExit(f"{header} is missing: install from a checkout of libdama, with `pip install ./bindings/python`")
    parts = dict(re.findall(r"#define DAMA_VERSION_(MAJOR|MINOR|PATCH) (\d+)", header.read_text()))
    return "{MAJOR}.{MINOR}.{PATCH}".format(**parts)


def library() -> Path:
    path = Path(os.environ.get("DAMA_LIBRARY") or checkout / "build" / "lib" / SONAME)
    if not path.exists():
        raise SystemExit(f"{path} is missing: run `make build` in the checkout first, or set DAMA_LIBRARY to a libdama.so")
    return path


class BundleLibrary(build_py):
    """Copies the library into the package: into the wheel, or beside the sources for an editable install."""

    def run(self) -> None:
        # What an earlier build left and the sources no longer have must not go into the wheel.
        shutil.rmtree(Path(self.build_lib) / "libdama", ignore_errors=True)
        super().run()
        package = here / "libdama" if self.editable_mode else Path(self.build_lib) / "libdama"
        (package / "lib").mkdir(parents=True, exist_ok=True)
        shutil.copy(library(), package / "lib" / SONAME)

    def get_outputs(self, include_bytecode: bool = True) -> list[str]:
        return [*super().get_outputs(include_bytecode), str(Path(self.build_lib) / "libdama" / "lib" / SONAME)]


class PlatformWheel(bdist_wheel):
    """Any Python 3, but this platform only."""

    def get_tag(self) -> tuple[str, str, str]:
        return "py3", "none", super().get_tag()[2]


class PlatformDistribution(Distribution):
    def has_ext_modules(self) -> bool:
        return True


setup(
    version=version(),
    distclass=PlatformDistribution,
    cmdclass={"build_py": BundleLibrary, "bdist_wheel": PlatformWheel},
)
