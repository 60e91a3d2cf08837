"""The table of a finite game: players, actions, and what each profile brings."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import Any, Self

import numpy as np
import pandas as pd
import xarray as xr

from tokenflow_sim.errors import Fault, ResultError, unknown_name
from tokenflow_sim.games.given import mixture_of
from tokenflow_sim.games.labels import attrs_of, beside_of, dims_of, payoffs_of
from tokenflow_sim.numeric import Floats, Ints
from tokenflow_sim.results.files import save_results
from tokenflow_sim.study.arguments import refuse
from tokenflow_sim.study.normal_form import NormalForm, penalised

MOMENTS = ("payment", "welfare", "price")
"""What is expected of a mixture beside payoffs, where the game has it."""
_NO_ODDS = 1e-12  # probability that is none after rounding


class GameTable:
    """A finite game as a Dataset and as plain numbers.

    Parameters
    ----------
    dataset : Dataset
        As in `game.Game`.
    """

    def __init__(self, dataset: xr.Dataset) -> None:
        self.dataset = dataset

    @classmethod
    def from_payoffs(cls, payoff: xr.DataArray | Any, **others: xr.DataArray | Any) -> Self:
        """Return the game of a table of payoffs.

        Parameters
        ----------
        payoff : DataArray or array
            Dims: one for each player, and a last one of the same length for whose payoff it is. Coordinates, where
            there are any, name actions and players, and a dim of the name ``provider`` is the last one wherever it
            stands. A list with one matrix for each player will do too: ``Game.from_payoffs([A, B])``; as many lists
            as players are always taken for that.
        **others : DataArray or array
            What else is known by profile, e.g. ``welfare=`` or ``payment=`` (a dim for each player), or ``price=``
            (these and ``node``, ``workload``); DataArrays are put in the order of the payoffs' dims.

        Raises
        ------
        InputError
            With everything that is wrong.

        Examples
        --------
        >>> import tokenflow_sim as tf
        >>> prisoners = tf.Game.from_payoffs([[[3, 0], [5, 1]], [[3, 5], [0, 1]]])
        >>> prisoners.pure_equilibria().action.values.tolist()
        [[1, 1]]
        """
        faults: list[Fault] = []
        values, players, labels, own = payoffs_of(payoff, faults)
        dims = dims_of(players)
        found: dict[str, Any] = {"payoff": ((*dims, "provider"), values, attrs_of("payoff"))}
        coords: dict[str, Any] = {dim: np.array(one) for dim, one in zip(dims, labels, strict=True)}
        for name, given in others.items() if not faults else ():
            if (beside := beside_of(name, given, own, labels, faults)) is not None:
                array, more = beside
                found[name] = (
                    (*dims, *("node", "workload")[: array.ndim - len(dims)]),
                    array,
                    attrs_of(name),
                )
                coords |= more
        refuse(faults, "game")
        return cls(xr.Dataset(found, coords | {"provider": list(players)}, {"title": "Game"}))

    @classmethod
    def load(cls, path: str | Path) -> Self:
        """Open a game that `save` wrote.

        Raises
        ------
        ResultError
            If the file cannot be read, or holds no game.
        """
        try:
            with xr.open_dataset(path, engine="netcdf4") as found:
                dataset = found.load()
        except (OSError, ValueError) as error:
            raise ResultError(f"{path}: cannot be read as a game ({error})") from None
        if fault := _fault_of(dataset):
            raise ResultError(f"{path}: holds no game: {fault}")
        return cls(dataset)

    def save(self, path: str | Path, force: bool = False) -> Path:
        """Write the game to a NetCDF file, which appears whole or not at all."""
        return save_results(self.dataset, path, force)

    @property
    def payoff(self) -> xr.DataArray:
        """Payoffs in $/h, dims (a dim for each player, provider)."""
        return self.dataset["payoff"]

    @cached_property
    def players(self) -> tuple[str, ...]:
        """Their names."""
        return tuple(map(str, self.dataset["provider"].values))

    @cached_property
    def actions(self) -> dict[str, list[Any]]:
        """The actions of each player."""
        return {
            name: self.dataset[dim].values.tolist() for name, dim in zip(self.players, self.dims, strict=True)
        }

    @cached_property
    def table(self) -> pd.DataFrame:
        """A row for each profile: the action of each player, payoffs, and payment, welfare and prices where known."""
        found = self.at_profiles(self.unravel(np.arange(self.profiles)), "profile")
        frame = self.frame_of(found)
        for name in MOMENTS:
            if name in found and found[name].ndim == 1:
                frame[name] = found[name].values
        if "price" in found and found["price"].ndim == 3:
            for node in found["node"].values:
                for workload in found["workload"].values:
                    own = found["price"].sel(node=node, workload=workload)
                    frame[f"price of {workload} at {node}"] = own.values
        if "feasible" in self.dataset:
            frame["feasible"] = np.asarray(self.dataset["feasible"].values).ravel()
        return frame

    @property
    def dims(self) -> tuple[str, ...]:
        """The dim of each player's actions."""
        return tuple(map(str, self.payoff.dims[:-1]))

    @property
    def profiles(self) -> int:
        """How many profiles there are."""
        return int(np.prod(self.payoff.shape[:-1]))

    @property
    def sizes(self) -> tuple[int, ...]:
        """How many actions each player has."""
        return self.payoff.shape[:-1]

    def has(self, name: str) -> bool:
        """Say whether the game has something beside payoffs: `payment`, `welfare` or `price`."""
        return name in self.dataset

    @cached_property
    def form(self) -> NormalForm:
        """The game as plain numbers."""
        return NormalForm(penalised(np.asarray(self.payoff.values, dtype=np.float64)))

    def expected(self, mixture: Any) -> xr.Dataset:
        """Return what a mixture brings: `probability`, `payoff`, `gain`, `exploitability`, payment, welfare, price.

        Parameters
        ----------
        mixture : mapping or sequence
            Probabilities of each player's actions.
        """
        faults: list[Fault] = []
        given = mixture_of(mixture, self.players, self.form.actions, faults)
        refuse(faults, "mixture")
        gain = self.form.gains(given)
        width = max(self.form.actions)
        table = np.full((len(self.players), width), np.nan)
        for row, own in zip(table, given, strict=True):
            row[: len(own)] = own
        odds = given[0]
        for own in given[1:]:
            odds = np.multiply.outer(odds, own)
        found = xr.Dataset(
            {
                "probability": (("provider", "choice"), table, {"long_name": "probability of each action"}),
                "payoff": ("provider", self.form.expected(given), attrs_of("payoff")),
                "gain": ("provider", gain, {"units": "$/h", "long_name": "gain by moving alone"}),
                "exploitability": ((), float(gain.max()), {"units": "$/h", "long_name": "largest gain"}),
            },
            coords={"provider": list(self.players)},
        )
        return found.assign(self.moments(odds))

    def moments(self, odds: Floats) -> dict[str, Any]:
        """Return the means of payment, welfare and price over profiles; what has no odds does not count.

        Where a profile that is not feasible has odds, there is no mean (NaN).
        """
        weight, found = xr.DataArray(odds, dims=self.dims), dict[str, Any]()
        for name in MOMENTS:
            if name in self.dataset:
                values = self.dataset[name].drop_vars(self.dims, errors="ignore")
                lost = (values.isnull() & (weight > _NO_ODDS)).any(self.dims)
                found[name] = values.fillna(0.0).dot(weight, dim=self.dims).where(~lost)
        return found

    def number_of(self, profile: Sequence[Any], faults: list[Fault]) -> int:
        """Return the number of a profile that is given by its actions."""
        if isinstance(profile, str) or not isinstance(profile, Sequence) or len(profile) != len(self.players):
            faults.append(Fault(f"must name an action of each of {len(self.players)} players", "start"))
            return 0
        places = []
        for name, one in zip(self.players, profile, strict=True):
            if one not in self.actions[name]:
                faults.append(Fault(unknown_name(f"action of {name}", one, self.actions[name]), "start"))
                return 0
            places.append(self.actions[name].index(one))
        return int(np.ravel_multi_index(places, self.form.actions))

    def unravel(self, numbers: Ints) -> Ints:
        """Return the position of each player's action in profiles that are given by number, dims (profile, player)."""
        return np.array(np.unravel_index(numbers, self.form.actions)).T

    def at_profiles(self, places: Ints, dim: str) -> xr.Dataset:
        """Return actions, payoffs, payment, welfare and price of profiles, dims (profile, player), by a new dim."""
        places = places.reshape(-1, len(self.players))
        cells = {name: xr.DataArray(places[:, who], dims=dim) for who, name in enumerate(self.dims)}
        there = ["payoff", *(name for name in MOMENTS if name in self.dataset)]
        found = self.dataset[there].isel(cells).drop_vars(self.dims)
        columns = [
            np.array(self.actions[name], dtype=object)[places[:, who]]
            for who, name in enumerate(self.players)
        ]
        action = np.array(columns, dtype=object).reshape(len(self.players), -1).T
        if all(isinstance(one, (int, float)) for row in action for one in row):
            action = action.astype(np.float64)
        found["action"] = ((dim, "provider"), action, {"long_name": "action"})
        found["place"] = ((dim, "provider"), places, {"long_name": "position of the action in the list"})
        return found.assign_coords({dim: np.arange(1, len(places) + 1)})

    def frame_of(self, found: xr.Dataset) -> pd.DataFrame:
        """Return profiles as a table: the action of each player, and its payoff."""
        dims = dims_of(self.players)  # a player may have the name of something else in the table
        columns = {
            dim: found["action"].sel(provider=name).values
            for name, dim in zip(self.players, dims, strict=True)
        }
        columns |= {f"payoff of {name}": found["payoff"].sel(provider=name).values for name in self.players}
        return pd.DataFrame(columns)

    def __repr__(self) -> str:
        """Summarise the game in one line."""
        sizes = " x ".join(map(str, self.form.actions))
        return f"<Game of {', '.join(self.players)}: {sizes} actions, {self.profiles:,} profiles>"


def _fault_of(dataset: xr.Dataset) -> str:
    """Say why a file is no game; an empty text if it is one."""
    if "payoff" not in dataset:
        return "it has no payoffs"
    payoff = dataset["payoff"]
    dims = ", ".join(map(str, payoff.dims))
    if not payoff.dims or payoff.dims[-1] != "provider" or payoff.sizes["provider"] != payoff.ndim - 1:
        return f"a game's payoffs have a dim for each player and `provider` last; these have ({dims})"
    if lacking := [str(dim) for dim in payoff.dims if dim not in dataset.coords]:
        return f"{', '.join(lacking)} of its payoffs have no labels"
    if payoff.dtype.kind not in "fiu" or not payoff.size or np.isinf(payoff.values).any():
        return "its payoffs are not finite numbers"
    if np.isnan(payoff.values).any(axis=-1).all():
        return "none of its profiles has payoffs"
    return ""
