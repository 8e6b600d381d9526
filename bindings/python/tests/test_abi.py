"""The ctypes mirrors of the header's structs, against a C compiler's sizes and offsets."""

import ctypes
import importlib
import pkgutil
import re
import shutil
import subprocess
from pathlib import Path

import pytest

import dama

HEADER = Path(__file__).resolve().parents[3] / "include" / "dama.h"

#: Every struct that the binding mirrors, by module and class.
MIRRORS = {
    ("_adaptive_beta", "_Options"): "dama_adaptive_beta_options",
    ("_adaptive_beta", "_Batch"): "dama_preference_batch",
    ("_adaptive_beta", "_Result"): "dama_preference_result",
    ("_adaptive_beta", "_Progress"): "dama_adaptive_beta_progress",
    ("_text", "_Facts"): "dama_tokenizer_facts",
    ("_text", "_SplitOptions"): "dama_split_options",
    ("_scorer", "_Options"): "dama_scorer_options",
    ("_scorer", "_Image"): "dama_image",
    ("kernels", "_AdamWOptions"): "dama_adamw_options",
    ("kernels", "_ScheduleOptions"): "dama_schedule_options",
    ("_row_job", "_Progress"): "dama_progress",
    ("_score_dataset", "_Options"): "dama_score_dataset_options",
    ("_score_dataset", "_Result"): "dama_score_dataset_result",
    ("_policy", "_Options"): "dama_policy_options",
    ("_policy", "_Facts"): "dama_policy_facts",
    ("_policy", "_Pair"): "dama_preference_pair",
    ("_policy", "_ResponseLogp"): "dama_response_logp",
    ("_generation", "_Options"): "dama_generation_options",
    ("_generation", "_Prompt"): "dama_prompt",
    ("_reference", "_Options"): "dama_reference_dataset_options",
    ("_reference", "_Result"): "dama_reference_dataset_result",
    ("_trainer", "_Options"): "dama_trainer_options",
    ("_trainer", "_TrainingPair"): "dama_training_pair",
    ("_trainer", "_Metrics"): "dama_step_metrics",
    ("_trainer", "_Parameter"): "dama_parameter",
    ("_trainer", "_Progress"): "dama_trainer_progress",
    ("_trainer", "_ExportOptions"): "dama_export_options",
}


def mirror(module: str, name: str) -> type:
    return getattr(importlib.import_module(f"dama.{module}"), name)


def test_every_mirror_and_every_struct_is_compared():
    found = set()
    for module in pkgutil.iter_modules(dama.__path__):
        contents = vars(importlib.import_module(f"dama.{module.name}"))
        found |= {
            (module.name, name)
            for name, kind in contents.items()
            if isinstance(kind, type) and issubclass(kind, ctypes.Structure) and kind.__module__ == f"dama.{module.name}"
        }
    assert found == set(MIRRORS)
    declared = set(re.findall(r"^\} (dama_\w+);$", HEADER.read_text(), re.M))
    enums = set(re.findall(r"^typedef enum (dama_\w+)", HEADER.read_text(), re.M))
    assert set(MIRRORS.values()) == declared - enums


@pytest.mark.skipif(shutil.which("cc") is None, reason="needs a C compiler")
def test_sizes_and_offsets_are_the_compilers(tmp_path):
    lines = []
    for key, struct in MIRRORS.items():
        lines.append(f'printf("{struct} %zu\\n", sizeof({struct}));')
        for field, *_ in mirror(*key)._fields_:
            lines.append(
                f'printf("{struct}.{field} %zu %zu\\n", offsetof({struct}, {field}), sizeof((({struct} *)0)->{field}));'
            )
    program = "#include <dama.h>\n#include <stdio.h>\nint main(void) {\n" + "\n".join(lines) + "\nreturn 0;\n}\n"
    (tmp_path / "sizes.c").write_text(program)
    subprocess.run(
        ["cc", "-std=c99", f"-I{HEADER.parent}", str(tmp_path / "sizes.c"), "-o", str(tmp_path / "sizes")], check=True
    )
    compiled = subprocess.run([tmp_path / "sizes"], check=True, capture_output=True, text=True).stdout.splitlines()
    mirrored = []
    for key, struct in MIRRORS.items():
        kind = mirror(*key)
        mirrored.append(f"{struct} {ctypes.sizeof(kind)}")
        for field, *_ in kind._fields_:
            place = getattr(kind, field)
            mirrored.append(f"{struct}.{field} {place.offset} {place.size}")
    assert mirrored == compiled


def test_no_field_of_the_header_is_left_out():
    bodies = dict(re.findall(r"^typedef struct (dama_\w+) \{(.*?)^\} \1;", HEADER.read_text(), re.M | re.S))
    for key, struct in MIRRORS.items():
        body = re.sub(r"/\*.*?\*/", "", bodies[struct], flags=re.S)
        fields = re.findall(r"(\w+)\s*(?:\[\w+\])?;", body)
        assert [field for field, *_ in mirror(*key)._fields_] == fields, struct
