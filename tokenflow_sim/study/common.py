"""Which seeds all candidates of a study finished, so that their means are over the same random numbers.

A candidate is what a study compares: a strategy, or a point of a sweep. Means over the seeds that each one happened to
finish would be of different random numbers: who fails when demand is high would look good.
"""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass
from itertools import product
from typing import Any

import numpy as np
import xarray as xr

from tokenflow_sim.numerals import counted
from tokenflow_sim.numeric import Bools
from tokenflow_sim.study.messages import listed, point_name
from tokenflow_sim.variables import MEASURES

SEED = "seed"


@dataclass(frozen=True, eq=False)
class Common:
    """The seeds that count, and the candidates that have them.

    Parameters
    ----------
    seeds : ndarray of bool
        Which seeds all candidates finished that are not left out, dims (seed,).
    kept : DataArray of bool
        Which candidates are not left out, by the dims of the candidates.
    """

    seeds: Bools
    kept: xr.DataArray

    @property
    def is_whole(self) -> bool:
        """Whether every candidate finished every seed."""
        return bool(self.seeds.all() and self.kept.all())

    @property
    def runs(self) -> xr.DataArray:
        """Which runs count, dims (candidate ..., seed)."""
        return self.kept & xr.DataArray(self.seeds, dims=SEED)

    @property
    def left_out(self) -> list[str]:
        """Names of the candidates that are left out, because with them no seed would be left."""
        dims = [str(dim) for dim in self.kept.dims]
        labels = product(*(self.kept[dim].values.tolist() for dim in dims))
        names = (
            str(label[0]) if dims == ["strategy"] else point_name(dict(zip(dims, label, strict=True)))
            for label in labels
        )
        return [name for name, kept in zip(names, self.kept.values.ravel().tolist(), strict=True) if not kept]

    @property
    def note(self) -> str:
        """What is left out, and over how many seeds means are, in a sentence; empty where nothing is missing."""
        if self.is_whole:
            return ""
        if not self.kept.any():
            return "no run was finished, so that there are no means"
        out = self.left_out
        others = "all others" if out else "all of them"
        count = f"{int(self.seeds.sum())} of {counted(len(self.seeds), 'seed')}"
        return (
            f"left out: {listed(out)}; " if out else ""
        ) + f"means are over {count}, which {others} finished"

    def select(self, ds: xr.Dataset) -> xr.Dataset:
        """Return the runs that count: the other seeds left out, NaN for the candidates that are left out."""
        if self.is_whole:
            return ds
        part = ds.isel({SEED: np.flatnonzero(self.seeds)})
        if self.kept.all():
            return part
        masks = [self.kept]
        if "rival" in ds.dims:
            masks.append(self.kept.rename(strategy="rival"))
        for name, array in part.data_vars.items():
            if array.dtype.kind == "f":
                for mask in masks:
                    if set(mask.dims) <= set(array.dims):
                        part[name] = part[name].where(mask).transpose(*array.dims).assign_attrs(array.attrs)
        return part


def common_of(ds: xr.Dataset, first: Hashable = None) -> Common | None:
    """Find the seeds that count in the Dataset of a comparison, a tournament or a sweep (also one from a file).

    Parameters
    ----------
    ds : Dataset
        Of a study.
    first : hashable, optional
        The strategy that is left out last, where somebody must be: the baseline.

    Returns
    -------
    Common or None
        None for a Dataset whose runs are not distinguished by candidates and seeds.
    """
    if SEED not in ds.dims:
        return None
    if "payoff" in ds and "rival" in ds.dims:
        pairs = ds["payoff"].notnull()
        extra = [dim for dim in pairs.dims if dim not in ("strategy", "rival", SEED)]
        kept, seeds = rankable(pairs.all(extra).transpose("strategy", "rival", SEED).values)
        return Common(seeds, xr.DataArray(kept, {"strategy": ds["strategy"].values}, ("strategy",)))
    if "status" in ds and SEED in ds["status"].dims:
        finished = ds["status"] == "done"
    elif "strategy" in ds.dims and (measures := [name for name in MEASURES if name in ds]):
        # A mark-up may be undefined in a run that was finished; not all measures are.
        some = [
            ds[name].notnull().any([d for d in ds[name].dims if d not in ("strategy", SEED)])
            for name in measures
        ]
        finished = xr.concat(some, "measure").any("measure")
    else:
        return None
    finished = finished.transpose(..., SEED)
    own = finished.dims[:-1]
    rows = finished.values.reshape(-1, finished.sizes[SEED])
    labels = [str(name) for name in finished["strategy"].values] if own == ("strategy",) else []
    kept, seeds = common_seeds(rows, labels.index(str(first)) if str(first) in labels else None)
    # Without the scalars and coordinates along a dim that a selection leaves behind.
    coords: dict[Any, Any] = {dim: finished[dim].values for dim in own}
    return Common(seeds, xr.DataArray(kept.reshape(finished.shape[:-1]), coords, own))


def comparable(ds: xr.Dataset, first: Hashable = None) -> tuple[xr.Dataset, str]:
    """Return the runs of a study's Dataset that count, and what `Common.note` says of them."""
    common = common_of(ds, first)
    return (ds, "") if common is None else (common.select(ds), common.note)


def seeds_text(ds: xr.Dataset, first: Hashable = None) -> str:
    """Return how many seeds count, e.g. ``20 seeds`` or ``18 of 20 seeds``."""
    common = common_of(ds, first)
    total = counted(ds.sizes[SEED], "seed")
    if common is None or common.seeds.all():
        return total
    return f"{int(common.seeds.sum())} of {total}"


def common_seeds(finished: Bools, first: int | None = None) -> tuple[Bools, Bools]:
    """Find as many candidates as have a seed in common, those that finished most first.

    Parameters
    ----------
    finished : ndarray of bool
        Dims (candidate, seed).
    first : int, optional
        A candidate that goes before the others, unless it finished nothing.

    Returns
    -------
    kept : ndarray of bool
        Which candidates are kept, dims (candidate,).
    seeds : ndarray of bool
        Which seeds all of these finished, dims (seed,).
    """
    counts = finished.sum(axis=1)
    if first is not None and counts[first]:
        counts[first] = finished.shape[1] + 1
    order = np.argsort(-counts, kind="stable")
    together = np.logical_and.accumulate(finished[order], axis=0)
    many = int(together.any(axis=1).sum())
    kept = np.zeros(len(finished), dtype=bool)
    kept[order[:many]] = True
    seeds = together[many - 1] if many else np.zeros(finished.shape[1], dtype=bool)
    return kept, seeds


def rankable(finished: Bools) -> tuple[Bools, Bools]:
    """Find strategies that all met each other, themselves too, under some seed; who failed most goes first.

    Parameters
    ----------
    finished : ndarray of bool
        Dims (strategy, rival, seed).

    Returns
    -------
    kept, seeds : ndarray of bool
        As `common_seeds` does.
    """
    places = list(range(len(finished)))
    while places:
        part = finished[np.ix_(places, places)]
        seeds = part.all(axis=(0, 1))
        if seeds.any():
            break
        counts = part.sum(axis=(1, 2)) + part.sum(axis=(0, 2))
        places.pop(len(places) - 1 - int(np.argmin(counts[::-1])))
    else:
        seeds = np.zeros(finished.shape[-1], dtype=bool)
    kept = np.zeros(len(finished), dtype=bool)
    kept[places] = True
    return kept, seeds
