"""help() tells of every public name: what it is, each of its parameters, and each field of a result."""

import dataclasses
import importlib
import inspect
import re

import pytest

import libdama

#: Public modules, and the packages without which they have no names.
MODULES = {
    "libdama": (),
    "libdama.kernels": (),
    "libdama.losses": (),
    "libdama.data": (),
    "libdama.plot": (),
    "libdama.wandb": (),
    "libdama.ray": (),
    "libdama.torch": ("torch",),
    "libdama.trl": ("torch", "trl"),
}


def module_of(name):
    for package in MODULES[name]:
        pytest.importorskip(package, reason=f"{package} is not installed")
    return importlib.import_module(name)


def public(module):
    """The functions and classes of a module, with their names for messages."""
    for name in module.__all__:
        value = getattr(module, name)
        if inspect.isclass(value) or inspect.isroutine(value):
            yield f"{module.__name__}.{name}", value


def parameters(call):
    kinds = (inspect.Parameter.VAR_KEYWORD, inspect.Parameter.VAR_POSITIONAL)
    return [name for name, it in inspect.signature(call).parameters.items()
            if name not in ("self", "cls") and not name.startswith("_") and it.kind not in kinds]  # fmt: skip


def missing(name, text, words):
    """The words that a docstring does not name as code: in double backquotes, or as ``:param word:``."""
    code = " ".join(re.findall(r"``(.+?)``", text or "", re.S))
    named = set(re.findall(r"[\w]+", code)) | set(re.findall(r":param (\w+):", text or ""))
    return [f"{name}: {word}" for word in words if word not in named]


def members(kind):
    """The methods and properties that a class of ours defines; not private ones, nor those that others' base classes
    define and document.
    """
    foreign = {name for owner in kind.__mro__ if not owner.__module__.startswith("libdama") for name in vars(owner)}
    if kind.__module__.startswith("libdama.trl"):
        # A mixin has the methods of the trainer that it is mixed into.
        foreign |= set(dir(importlib.import_module("transformers").Trainer))
    for owner in reversed(kind.__mro__):
        if not owner.__module__.startswith("libdama"):
            continue
        for name, value in vars(owner).items():
            if name in foreign:
                continue
            plain = getattr(value, "__func__", value)
            if name == "__call__" or not name.startswith("_"):
                if inspect.isfunction(plain) or isinstance(plain, property):
                    yield name, plain


@pytest.mark.parametrize("module", MODULES)
def test_every_name_has_a_docstring(module):
    module = module_of(module)
    assert module.__doc__ and module.__doc__.strip()
    bare = []
    for name, value in public(module):
        text = vars(value).get("__doc__") if inspect.isclass(value) else value.__doc__
        # dataclass makes one of the signature.
        if not (text or "").strip() or (text or "").startswith(f"{name.split('.')[-1]}("):
            bare.append(name)
        if inspect.isclass(value):
            bare += [f"{name}.{member}" for member, it in members(value) if not (it.__doc__ or "").strip()]
    assert not bare


@pytest.mark.parametrize("module", MODULES)
def test_every_parameter_is_documented(module):
    gaps = []
    for name, value in public(module_of(module)):
        if not inspect.isclass(value):
            gaps += missing(name, inspect.getdoc(value), parameters(value))
            continue
        if not dataclasses.is_dataclass(value) and not issubclass(value, (tuple, Exception)):
            both = f"{inspect.getdoc(value)}\n{value.__init__.__doc__}"
            gaps += missing(f"{name}()", both, parameters(value))
        for member, it in members(value):
            if not isinstance(it, property):
                gaps += missing(f"{name}.{member}", it.__doc__, parameters(it))
    assert not gaps


@pytest.mark.parametrize("module", MODULES)
def test_every_field_is_documented(module):
    """help() shows docstrings, not comments."""
    gaps = []
    for name, value in public(module_of(module)):
        if dataclasses.is_dataclass(value):
            fields = [field.name for field in dataclasses.fields(value) if not field.name.startswith("_")]
        else:
            fields = list(getattr(value, "_fields", ()))
        gaps += missing(name, inspect.getdoc(value), fields)
    assert not gaps


def test_the_check_finds_what_is_missing():
    text = "Adds ``left`` to right; `other`.\n\n:param third: x"
    assert missing("f", text, ["left", "right", "other", "third"]) == ["f: right", "f: other"]
    assert missing("f", None, ["left"]) == ["f: left"]


def test_help_shows_equations_and_shapes():
    """Where the paper has an equation or an array a shape, help() shows it."""
    for value, words in [
        (libdama.Scorer.score, ["Eq. (4)", "[n]"]), (libdama.Scorer.hardness, ["Eqs. (4) to (6)"]),
        (libdama.hardness, ["Eqs. (5) and (6)", "[p]"]), (libdama.hardness_from_scores, ["Table 2", "[q]"]),
        (libdama.alpha_data, ["Eq. (7)", "[n]"]), (libdama.losses.sigmoid, ["Eq. (3)", "log σ(βh)"]),
        (libdama.AdaptiveBeta, ["Eqs. (9) to (17)"]), (libdama.AdaptiveBeta.step, ["[N]"]),
        (libdama.AdaptiveBetaStep, ["Eq. (13)", "Eq. (12)"]), (libdama.StepMetrics, ["Eq. (15)"]),
        (libdama.Trainer, ["Algorithm 1"]), (libdama.PairHardness, ["Eq. (6)"]),
    ]:  # fmt: skip
        for word in words:
            assert word in inspect.getdoc(value), (value, word)
