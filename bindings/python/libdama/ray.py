"""Hardness over Ray Data: ``libdama.ray.score(dataset, model)``. Needs ``libdama[ray]``.

::

    import ray
    from libdama.ray import score

    rows = ray.data.read_parquet("rlaif-v")
    scored = score(rows, "clip-vit-large-patch14-336", concurrency=8, num_gpus=1)
    scored.write_parquet("scored")

Each actor opens the model once. Ray deals the rows, restarts lost actors, and stores what is written.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Optional, Union

import numpy as np

from ._errors import InvalidArgument, ModelError, Unsupported
from ._hardness import alpha_data as _alpha_data
from ._repr import described
from ._scorer import Scorer
from .data._hardness import Hardness
from .data._sources import AnyPath

__all__ = ["HardnessScorer", "alpha_data", "score"]


class HardnessScorer:
    """The actor class of ``Dataset.map_batches``: adds the column ``delta``, NaN for a bad row.

    ``threads`` are the threads of inference, 0 for as many as Ray gave the actor. ``provider`` is ``"cpu"``, or
    ``"cuda"``, the GPU that Ray gave the actor. The other arguments are those of :class:`libdama.data.Hardness`.
    """

    def __init__(
        self, model: AnyPath, *, threads: int = 0, provider: str = "cpu", on_error: str = "raise", **options: Any
    ) -> None:
        scorer = Scorer(model, threads=threads or _cpus(), provider=provider)
        self._hardness = Hardness(scorer, on_error=on_error, **options)

    def __repr__(self) -> str:
        return described(self, lambda: {"hardness": self._hardness})

    def __call__(self, batch: Mapping[str, Any]) -> dict[str, Any]:
        columns = {name: _python(values) for name, values in batch.items()}
        deltas = self._hardness(columns)["delta"]
        return {**batch, "delta": np.array([np.nan if it is None else it for it in deltas], np.float64)}


def score(
    dataset: Any,
    model: AnyPath,
    *,
    concurrency: Union[int, tuple[int, int]] = 1,
    num_cpus: Optional[float] = None,
    num_gpus: Optional[float] = None,
    threads: int = 0,
    batch_size: int = 32,
    mean_delta: Optional[float] = None,
    **options: Any,
) -> Any:
    """A Ray dataset with the columns ``delta`` and ``alpha_data``, Eqs. (4) to (7).

    ``concurrency`` actors, each with the model, take batches of ``batch_size`` rows. With ``num_gpus`` each has a GPU of
    its own and computes there; otherwise each has ``num_cpus`` processors. δ̄ needs all rows: without ``mean_delta``
    the rows with δ are kept in Ray's object store for a second pass, in which nothing is computed again. ``options`` are
    those of :class:`HardnessScorer`.
    """
    _require_ray()
    options.setdefault("provider", "cuda" if num_gpus else "cpu")
    resources = {name: value for name, value in (("num_cpus", num_cpus), ("num_gpus", num_gpus)) if value is not None}
    scored = dataset.map_batches(
        HardnessScorer, fn_constructor_args=(model,), fn_constructor_kwargs={"threads": threads, **options},
        batch_size=batch_size, batch_format="numpy", concurrency=concurrency, **resources,
    )  # fmt: skip
    return alpha_data(scored if mean_delta is not None else scored.materialize(), mean_delta)


def alpha_data(dataset: Any, mean_delta: Optional[float] = None) -> Any:
    """Adds the column ``alpha_data``, Eq. (7), to a Ray dataset with the column ``delta``.

    ``mean_delta`` is δ̄; by default the mean over the rows whose δ is not NaN, for which the dataset is executed.
    """
    _require_ray()
    if mean_delta is None:
        sums = dataset.select_columns(["delta"]).map_batches(_sums, batch_format="numpy").take_all()
        count = sum(int(row["count"]) for row in sums)
        if count == 0:
            raise ModelError("no row has a delta")
        mean_delta = sum(float(row["sum"]) for row in sums) / count
    if not np.isfinite(mean_delta):
        raise InvalidArgument(f"mean_delta is {mean_delta}; it must be finite")
    return dataset.map_batches(_add_alpha, fn_kwargs={"mean_delta": float(mean_delta)}, batch_format="numpy")


def _sums(batch: Mapping[str, Any]) -> dict[str, Any]:
    deltas = np.asarray(batch["delta"], np.float64)
    good = deltas[~np.isnan(deltas)]
    return {"sum": np.array([good.sum()]), "count": np.array([good.size])}


def _add_alpha(batch: Mapping[str, Any], mean_delta: float) -> dict[str, Any]:
    deltas = np.asarray(batch["delta"], np.float64)
    alphas = np.full(deltas.shape, np.nan)
    good = ~np.isnan(deltas)
    if good.any():
        alphas[good] = _alpha_data(deltas[good], mean_delta)
    return {**batch, "alpha_data": alphas}


def _python(values: Any) -> list[Any]:
    """A column as Python values: numpy's strings and numbers, but arrays of pixels as they are."""
    return [_value(value) for value in values]


def _value(value: Any) -> Any:
    if isinstance(value, np.generic):
        return value.item()
    if isinstance(value, np.ndarray) and value.dtype == object:
        return [_value(item) for item in value.tolist()]
    if isinstance(value, Mapping):
        return {name: _value(item) for name, item in value.items()}
    return value


def _cpus() -> int:
    """The processors that Ray gave this actor; 0, all of them, if it does not say."""
    import ray

    return int(ray.get_runtime_context().get_assigned_resources().get("CPU", 0))


def _require_ray() -> None:
    try:
        import ray.data  # noqa: F401
    except ImportError:
        raise Unsupported("libdama.ray needs Ray Data: pip install 'libdama[ray]'") from None
