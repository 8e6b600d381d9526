"""``torchrun -m libdama.train --config dama.yaml``: libdama's own trainer on several processes, a rank each.

::

    torchrun --nproc-per-node 2 -m libdama.train --config dama.yaml --set provider=cuda

Every rank trains on its share of each batch, with its share of the processors, and with the provider ``cuda`` on the
device of its LOCAL_RANK. The result is that of one process up to the order of sums. docs/ranks.md describes it.
"""

from __future__ import annotations

import argparse
import os
import re
import signal
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Optional

from libdama._errors import DamaError, InvalidArgument
from libdama._train import train

# `libdama.train` is the function. Whoever imports this module by that name gets it.
if __name__ != "__main__":
    sys.modules[__name__] = train  # type: ignore[assignment]


def main(arguments: Optional[Sequence[str]] = None) -> int:
    """Runs the command. Returns the exit status: 0 done, 1 failed, 130 and 143 stopped by Ctrl-C and SIGTERM."""
    parser = argparse.ArgumentParser(
        prog="torchrun -m libdama.train", description="Align a model by a configuration file, on several ranks."
    )
    parser.add_argument("--config", required=True, metavar="FILE", help="YAML, as docs/train.md describes it")
    parser.add_argument("--set", action="append", default=[], metavar="FIELD=VALUE",
                        help="replaces a field of the file, as in method.beta=0.2")  # fmt: skip
    parser.add_argument("--restart", action="store_true", help="begin anew instead of resuming an earlier run")
    parser.add_argument("--backend", metavar="NAME",
                        help="of torch.distributed (default: gloo, with NCCL beside it if there is CUDA)")  # fmt: skip
    given = parser.parse_args(arguments)
    # torchrun passes signals on, and sends SIGTERM to the ranks that are left when one has ended.
    stopped: list[int] = []

    def stop(number: int, _frame: Any) -> None:
        stopped.append(number)
        raise KeyboardInterrupt

    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, stop)
    try:
        return _run(given)
    except KeyboardInterrupt:
        print("stopped; run the same command again to resume", file=sys.stderr)
        return 128 + (stopped[0] if stopped else signal.SIGINT)
    except (DamaError, OSError) as error:
        rank = os.environ.get("RANK", "0")
        print(f"libdama.train, rank {rank}: {error}", file=sys.stderr)
        return 1


def _run(given: argparse.Namespace) -> int:
    missing = [name for name in ("RANK", "WORLD_SIZE", "LOCAL_RANK", "MASTER_ADDR") if name not in os.environ]
    if missing:
        raise InvalidArgument(
            f"{', '.join(missing)} is not set; start with torchrun, or for one process use python -m libdama train"
        )
    local, here = int(os.environ["LOCAL_RANK"]), int(os.environ.get("LOCAL_WORLD_SIZE", "1"))
    # Before any library looks: the rank's own CUDA device is the only one that it sees, and `provider: cuda` is that.
    visible = os.environ.get("CUDA_VISIBLE_DEVICES")
    devices = [str(index) for index in range(here)] if visible is None else visible.split(",")
    if local < len(devices):
        os.environ["CUDA_VISIBLE_DEVICES"] = devices[local]
    # Imported here, so that a mistake in the command is told at once.
    import torch
    import torch.distributed as dist

    from libdama.torch import ranks

    dist.init_process_group(given.backend or ("cpu:gloo,cuda:nccl" if torch.cuda.is_available() else "gloo"))
    try:
        group = ranks()
        result = train(given.config, _threads(given, here) + given.set, restart=given.restart,
                       progress=group.rank == 0, ranks=group)  # fmt: skip
        if group.rank == 0:
            print(result)
        return 0
    finally:
        # Another rank may still write a checkpoint, and torchrun ends all as soon as one has ended.
        try:
            dist.barrier()
            dist.destroy_process_group()
        except RuntimeError:
            # A rank is gone.
            pass


def _threads(given: argparse.Namespace, here: int) -> list[str]:
    """The rank's share of the machine's processors, unless the file sets the threads."""
    if re.search(r'^\s*"?threads"?\s*:', Path(given.config).read_text("utf-8"), re.MULTILINE):
        return []
    return [f"threads={max(1, (os.cpu_count() or 1) // here)}"]


if __name__ == "__main__":
    raise SystemExit(main())
