"""The command line of the Python package."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable, Sequence
from typing import Any, Optional

from ._errors import DamaError
from ._generate_dataset import generate_dataset
from ._generation import Policy
from ._native import version
from ._reference import reference_dataset
from ._score_dataset import merge_scores, score_dataset
from ._train import train

_RETRY = "run the same command again to resume"


def main(arguments: Optional[Sequence[str]] = None) -> int:
    """Runs a command. Returns the exit status: 0 done, 1 failed, 130 stopped by Ctrl-C."""
    parser = argparse.ArgumentParser(prog="python -m libdama", description=str(_DESCRIPTION))
    parser.add_argument("--version", action="version", version=f"libdama {version()}")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for name, (about, add, run) in _COMMANDS.items():
        command = commands.add_parser(name, help=about, description=about)
        add(command)
        command.set_defaults(run=run)
    given = parser.parse_args(arguments)
    try:
        given.run(given)
    except KeyboardInterrupt:
        print(f"stopped; {_RETRY}", file=sys.stderr)
        return 130
    except (DamaError, OSError, TypeError) as error:
        print(f"python -m libdama {given.command}: {error}", file=sys.stderr)
        return 1
    return 0


_DESCRIPTION = """Data- and model-aware preference alignment. JSON goes through the resumable native jobs; Parquet is
streamed, and its output has all columns of the input and the new ones. A command that was stopped resumes when it is
repeated."""


def _dataset(command: argparse.ArgumentParser, model: str) -> None:
    command.add_argument("--model", required=True, metavar="DIR", help=model)
    command.add_argument("--data", required=True, nargs="+", metavar="FILE", help="Parquet, JSON Lines or a JSON array")
    command.add_argument("--out", required=True, metavar="FILE", help="*.parquet for Parquet, *.jsonl for JSON")
    command.add_argument("--image-root", metavar="DIR", help="folder of image paths (default: the dataset's folder)")
    command.add_argument("--data-format", default="auto", metavar="NAME",
                         help="auto, rlaif_v, trl, sharegpt, llava or fields")  # fmt: skip
    command.add_argument("--field", action="append", default=[], metavar="FIELD=NAME", help="another name of a field")
    command.add_argument("--skip-bad", action="store_true",
                         help="Parquet: null for bad rows instead of stopping; JSON lists them in a file")  # fmt: skip
    command.add_argument("--restart", action="store_true", help="begin anew instead of resuming an earlier run")
    command.add_argument("--threads", type=int, default=0, metavar="N", help="threads of inference; 0: all processors")
    command.add_argument("--provider", default="cpu", help="cpu, cuda or cuda:N")
    _set(command, "an option of the native job by its name in C")


def _set(command: argparse.ArgumentParser, text: str) -> None:
    command.add_argument("--set", action="append", default=[], metavar="NAME=VALUE", help=text)


def _add_score(command: argparse.ArgumentParser) -> None:
    _dataset(command, "folder of a CLIP, SigLIP or OpenCLIP model")
    command.add_argument("--delta", default="probabilities", choices=("probabilities", "scores"))
    command.add_argument("--mean-delta", type=float, metavar="NUMBER", help="δ̄ of Eq. (7) (default: of the dataset)")
    command.add_argument("--shard", metavar="I/N", help="JSON: score share i of n, from 0; merge joins them")
    command.add_argument("--num-proc", type=int, default=1, metavar="N", help="Parquet: processes, each with the model")


def _score(given: argparse.Namespace) -> None:
    from ._scorer import Scorer

    scorer = Scorer(given.model, threads=given.threads, provider=given.provider)
    if _is_parquet(given):
        if given.shard:
            raise TypeError("--shard is for JSON; give each machine some of the Parquet files")
        from .data import score

        found = score(_parquet(given), scorer, given.out, format=given.data_format, fields=_fields(given),
                      image_root=given.image_root, delta=given.delta, mean_delta=given.mean_delta,
                      on_error=_on_error(given), num_proc=given.num_proc, progress=True,
                      restart=given.restart)  # fmt: skip
        print(f"scored {len(found) - len(found.errors)} of {len(found)} rows, mean delta {found.mean_delta}")
        _list(found.errors)
    else:
        shard, shards = _shard(given.shard)
        result = score_dataset(scorer, _single(given), given.out, image_root=given.image_root, delta=given.delta,
                               mean_delta=given.mean_delta, fields=_fields(given), data_format=given.data_format,
                               shard=shard, shards=shards, restart=given.restart, progress=True,
                               **_options(given))  # fmt: skip
        print(f"scored {result.rows_scored} of {result.rows} rows, mean delta {result.mean_delta}\n{result.output}")


def _add_merge(command: argparse.ArgumentParser) -> None:
    command.add_argument("shards", nargs="*", metavar="FILE", help="the shards' outputs (default: those beside --out)")
    command.add_argument("--out", required=True, metavar="FILE", help="the output of the whole")
    command.add_argument("--restart", action="store_true", help="replace the files of an earlier job")


def _merge(given: argparse.Namespace) -> None:
    result = merge_scores(given.out, given.shards, restart=given.restart)
    print(f"scored {result.rows_scored} of {result.rows} rows, mean delta {result.mean_delta}\n{result.output}")


def _add_policy(command: argparse.ArgumentParser) -> None:
    _dataset(command, "folder of a policy")
    command.add_argument("--template", metavar="NAME", help="chat template (default: the model's own)")
    command.add_argument("--system", metavar="TEXT", help="system prompt")
    command.add_argument("--max-length", type=int, metavar="N", help="the most tokens of image, prompt and response")


def _policy(given: argparse.Namespace) -> Policy:
    return Policy(given.model, threads=given.threads, provider=given.provider, template=given.template,
                  system=given.system, max_length=given.max_length)  # fmt: skip


def _reference(given: argparse.Namespace) -> None:
    if _is_parquet(given):
        from .data import reference

        found = reference(_parquet(given), _policy(given), given.out, format=given.data_format, fields=_fields(given),
                          image_root=given.image_root, on_error=_on_error(given), progress=True,
                          restart=given.restart)  # fmt: skip
        print(f"{len(found.ref_chosen_logps) - len(found.errors)} of {len(found.ref_chosen_logps)} rows")
        _list(found.errors)
    else:
        result = reference_dataset(_policy(given), _single(given), given.out, image_root=given.image_root,
                                   fields=_fields(given), data_format=given.data_format, restart=given.restart,
                                   progress=True, **_options(given))  # fmt: skip
        print(f"{result.rows - result.rows_rejected} of {result.rows} rows\n{result.output}")


def _add_generate(command: argparse.ArgumentParser) -> None:
    _add_policy(command)
    command.add_argument("--samples", type=int, default=1, metavar="N", help="answers to each row; needs a temperature")
    command.add_argument("--max-tokens", type=int, default=256, metavar="N", help="the most tokens of an answer")
    command.add_argument("--temperature", type=float, default=0.0, metavar="T", help="0: the likeliest tokens")
    command.add_argument("--top-k", type=int, default=0, metavar="K", help="tokens to draw from; 0: all")
    command.add_argument("--top-p", type=float, default=1.0, metavar="P", help="probability to draw from")
    command.add_argument("--stop", action="append", default=[], metavar="TEXT", help="ends an answer")
    command.add_argument("--seed", type=int, default=0, metavar="N", help="seed of the samples")
    command.add_argument("--num-beams", type=int, default=1, metavar="N", help="beams of a search")


def _generate(given: argparse.Namespace) -> None:
    names = ("samples", "max_tokens", "temperature", "top_k", "top_p", "stop", "seed", "num_beams")
    settings: dict[str, Any] = {name: getattr(given, name) for name in names}
    if _is_parquet(given):
        from .data import generate

        found = generate(_parquet(given), _policy(given), given.out, format=given.data_format, fields=_fields(given),
                         image_root=given.image_root, on_error=_on_error(given), progress=True, restart=given.restart,
                         **settings)  # fmt: skip
        print(f"{len(found.response) - len(found.errors)} of {len(found.response)} rows")
        _list(found.errors)
    else:
        settings.update(_options(given))
        result = generate_dataset(_policy(given), _single(given), given.out, image_root=given.image_root,
                                  fields=_fields(given), data_format=given.data_format, restart=given.restart,
                                  progress=True, **settings)  # fmt: skip
        print(f"{result.rows - result.rows_rejected} of {result.rows} rows\n{result.output}")


def _add_train(command: argparse.ArgumentParser) -> None:
    command.add_argument("--config", required=True, metavar="FILE", help="YAML, as docs/train.md describes it")
    _set(command, "replaces a field of the file, as in method.beta=0.2")


def _train(given: argparse.Namespace) -> None:
    print(train(given.config, overrides=given.set, progress=True))


_Command = tuple[str, Callable[[argparse.ArgumentParser], None], Callable[[argparse.Namespace], None]]
_COMMANDS: dict[str, _Command] = {
    "score": ("Score the pairs of a dataset for hardness.", _add_score, _score),
    "merge": ("Join the shards that score --shard wrote.", _add_merge, _merge),
    "reference": ("Compute the reference's log-probabilities of a dataset.", _add_policy, _reference),
    "generate": ("Generate answers to the questions of a dataset.", _add_generate, _generate),
    "train": ("Align a model by a configuration file.", _add_train, _train),
}


# ----------------------------------------------------------------------------------------------------------------------
# Arguments


def _is_parquet(given: argparse.Namespace) -> bool:
    return all(path.endswith(".parquet") for path in given.data)


def _parquet(given: argparse.Namespace) -> list[str]:
    if given.set:
        raise TypeError("--set is for JSON, which goes through the native job")
    found: list[str] = given.data
    return found


def _single(given: argparse.Namespace) -> str:
    if len(given.data) != 1:
        raise TypeError("--data: expected one JSON file, or files that are all named *.parquet")
    found: str = given.data[0]
    return found


def _fields(given: argparse.Namespace) -> dict[str, str]:
    fields = {}
    for mapping in given.field:
        name, equals, column = mapping.partition("=")
        if not equals or not column:
            raise TypeError(f"--field: expected field=name, found {mapping!r}")
        fields[name] = column
    return fields


def _options(given: argparse.Namespace) -> dict[str, Any]:
    options = {}
    for text in given.set:
        name, equals, value = text.partition("=")
        if not equals:
            raise TypeError(f"--set: expected name=value, found {text!r}")
        try:
            options[name] = json.loads(value)
        except ValueError:
            options[name] = value
    return options


def _shard(text: Optional[str]) -> tuple[int, int]:
    if text is None:
        return 0, 0
    index, slash, count = text.partition("/")
    if not slash or not index.isdigit() or not count.isdigit() or int(count) == 0:
        raise TypeError(f"--shard: expected i/n, such as 0/4, found {text!r}")
    return int(index), int(count)


def _on_error(given: argparse.Namespace) -> str:
    return "null" if given.skip_bad else "raise"


def _list(errors: dict[int, str]) -> None:
    for index, message in list(errors.items())[:20]:
        print(f"row {index}: {message}", file=sys.stderr)
    if len(errors) > 20:
        print(f"… and {len(errors) - 20} more", file=sys.stderr)
