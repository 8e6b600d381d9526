"""Modules for stacks that may not be installed: importing them is free, using them without the stack a clear error."""

import subprocess
import sys

import pytest

# None in sys.modules makes an import fail as if the package were not installed, also where it is.
PROGRAM = """
import sys
for name in {missing!r}:
    sys.modules[name] = None
import libdama, libdama.torch, libdama.trl
loaded = [name for name in ("torch", "trl", "transformers") if sys.modules.get(name) is not None]
print(loaded, libdama.torch.AdaptiveBeta is libdama.AdaptiveBeta, libdama.trl.DamaConfig("released").preset)
print(sorted(set(libdama.torch.__all__) - set(dir(libdama.torch))))
for module, name in ((libdama.torch, "plan"), (libdama.torch, "token_logprobs"), (libdama.trl, "DamaDPOTrainer")):
    try:
        getattr(module, name)
    except ImportError as error:
        assert isinstance(error, libdama.DamaError)
        print(error)
try:
    libdama.torch.plans
except AttributeError as error:
    print(error)
"""


@pytest.mark.parametrize("missing", [["torch"], ["torch", "trl", "transformers"]])
def test_without_the_packages(missing):
    done = subprocess.run([sys.executable, "-c", PROGRAM.format(missing=missing)], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    loaded, absent, plan, logprobs, trainer, unknown = done.stdout.splitlines()
    assert loaded == "[] True released" and absent == "[]"
    assert plan == "libdama.torch.plan needs torch, which is not installed: pip install 'libdama[torch]'"
    assert logprobs.startswith("libdama.torch.token_logprobs needs torch")
    assert trainer.startswith("libdama.trl.DamaDPOTrainer needs t") and trainer.endswith("pip install 'libdama[trl]'")
    assert unknown == "module 'libdama.torch' has no attribute 'plans'"


def test_the_settings_need_no_torch():
    from libdama.trl import DamaConfig

    for bad, text in [
        (dict(options=dict(keep=3)), "options has 'keep', which is a field"),
        (dict(last_batch="keep"), "last_batch is 'keep'"),
        (dict(reference="cache.jsonl", reference_columns=("a", "b")), "either reference_columns or reference"),
    ]:
        with pytest.raises(ValueError, match=text):
            DamaConfig(**bad)
    assert DamaConfig("dpo").is_plain and not DamaConfig("dpo", options=dict(momentum=0.5)).is_plain
    assert DamaConfig("paper").needs_alpha and not DamaConfig("mdpo").needs_alpha and not DamaConfig("dpo").needs_alpha

    class Arguments:
        beta, loss_type = 0.3, ["sigmoid"]

    found = DamaConfig("paper").controller(32, Arguments).options
    assert (found["beta"], found["keep"], found["batch"], found["last_batch"]) == (0.3, 0.75, 32, "rescale")
    assert DamaConfig("released", beta=0.2).controller(8, Arguments).options["keep"] == 0.8
    assert DamaConfig("paper", keep=3).controller(4, Arguments).options["beta"] == 0.3
    for name, value, text in [
        ("loss_type", ["sigmoid", "sft"], "loss_type is"), ("loss_type", "apo_zero", "must be one of sigmoid"),
        ("use_weighting", True, "use_weighting is True"), ("f_divergence_type", "forward_kl", "f_divergence_type"),
    ]:  # fmt: skip
        with pytest.raises(NotImplementedError, match=text):
            DamaConfig("paper").controller(8, type("Changed", (Arguments,), {name: value}))
