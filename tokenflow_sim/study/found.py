"""What a search for equilibria found, read from its Dataset."""

from __future__ import annotations

import importlib
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, cast

import pandas as pd
import xarray as xr

from tokenflow_sim.numerals import counted
from tokenflow_sim.study.messages import safe_repr

if TYPE_CHECKING:
    from matplotlib.figure import Figure


@dataclass(frozen=True)
class Equilibrium:
    """Where iterated best responses came to rest, or that they did not, and what each player could still gain.

    Parameters
    ----------
    dataset : Dataset
        Of the first equilibrium, or, where none was found, of the profile with the least to gain: `action` (provider,
        workload), a mark-up or a share of capacity; `profit`, `truthful_profit` (where everybody is truthful) and
        `gain` (what each could still gain by moving alone), (provider,), $/h; `price` (node, workload); `offer_price`
        and `offer_quantity` (asset, workload); and by round `history_action`, `history_profit` and `history_gain`, the
        largest gain that a mover saw; round 0 is the start. `provider` has the names of all players.
        Of all equilibria: the same with a dim `equilibrium` before and `equilibrium_` in the name. By start:
        `start_equilibrium` (which it led to, from 1; 0 for none), `start_rounds`, `start_cycle`, `start_rested` and
        `start_epsilon` in $/h. Of mixed equilibria, where they were asked for: `choice_action` (provider, choice,
        workload), and by `mixed` `mixed_probability` (provider, choice), `mixed_profit`, `mixed_gain` and
        `mixed_gain_beyond` (provider,), `mixed_price` (node, workload), `mixed_payment` and `mixed_method`.
        Attributes: `play`, `by`, `cycle`, `rested`, `tolerance`, `payment` in $/h, `points`, `levels`,
        `scenario_name`; `clearings` (profiles that the market was cleared for), `infeasible` (those at which demand
        that must be served could not be), `failed` and `first_failure` (those that failed otherwise), `starts_left`.
    """

    dataset: xr.Dataset

    @property
    def converged(self) -> bool:
        """Whether the iteration came to rest, and nobody gains more than the tolerance by moving alone."""
        attrs = self.dataset.attrs
        return bool(attrs["rested"]) and self.epsilon_relative <= float(attrs["tolerance"])

    @property
    def solved(self) -> bool:
        """Whether there is an equilibrium: a pure one, or a mixed one of the game of few actions, up to the tolerance.

        A mixed one counts by what could be gained by another of those actions; `exploitability` covers others.
        """
        ds = self.dataset
        if self.converged or "mixed_gain" not in ds:
            return self.converged
        gain = ds["mixed_gain"].max("provider")
        return bool((gain <= float(ds.attrs["tolerance"]) * ds["mixed_payment"]).any())

    @property
    def epsilon(self) -> float:
        """The largest gain that any player could still make by moving alone, in $/h."""
        return float(self.dataset["gain"].max())

    @property
    def epsilon_relative(self) -> float:
        """That gain as a share of what demand pays."""
        return _share(self.epsilon, float(self.dataset.attrs["payment"]))

    @property
    def cycle(self) -> int:
        """After how many rounds the iteration repeats itself; 0 where it does not."""
        return int(self.dataset.attrs["cycle"])

    @property
    def rounds(self) -> int:
        """Rounds that were played from the start that led to what is shown."""
        return int(self.dataset.sizes["round"]) - 1

    @property
    def offers(self) -> xr.Dataset:
        """`offer_price` in $/Mtok and `offer_quantity` in Mtok/s, dims (asset, workload[, block]).

        Quantities are shown with true cost as their price; those that play sell them whatever the price.
        """
        return self.dataset[["offer_price", "offer_quantity"]]

    @property
    def history(self) -> xr.Dataset:
        """`action`, `profit` and `gain` after each round; round 0 is the start."""
        names = {f"history_{name}": name for name in ("action", "profit", "gain")}
        return self.dataset[list(names)].rename(names)

    @property
    def equilibria(self) -> xr.Dataset:
        """All equilibria that were found: `action`, `profit`, `gain`, `price` by `equilibrium`."""
        names = {f"equilibrium_{name}": name for name in ("action", "profit", "gain", "price")}
        there = [name for name in names if name in self.dataset]
        if not there:
            return xr.Dataset(coords={"equilibrium": []})
        return self.dataset[there].rename({name: names[name] for name in there})

    @property
    def mixed(self) -> xr.Dataset:
        """Mixed equilibria of the game of few actions: `probability`, `profit`, `gain`, ... by `mixed`; and `action`.

        Empty where they were not asked for.
        """
        names = [str(name) for name in self.dataset.data_vars if str(name).startswith("mixed_")]
        if not names:
            return xr.Dataset(coords={"mixed": []})
        renamed = {name: name.removeprefix("mixed_") for name in names} | {"choice_action": "action"}
        return self.dataset[list(renamed)].rename(renamed)

    @property
    def exploitability(self) -> xr.DataArray:
        """The most that anybody could gain against each mixed equilibrium in $/h, dims (mixed,).

        By any action of the game, or one between them on a grid four times finer.
        """
        return self.dataset["mixed_gain_beyond"].max("provider")

    @cached_property
    def table(self) -> pd.DataFrame:
        """One row a player: its action by class, its profit, that of the truthful market, what it could gain."""
        ds = self.dataset
        actions = {
            f"{ds.attrs['play']}: {k}": ds["action"].sel(workload=k).values for k in ds["workload"].values
        }
        money = {name: ds[name].values for name in ("profit", "truthful_profit", "gain")}
        return pd.DataFrame(actions | money, index=pd.Index(ds["provider"].values, name="provider"))

    @cached_property
    def equilibria_table(self) -> pd.DataFrame:
        """One row an equilibrium and player: action by class, profit, what it could gain, which starts led there."""
        ds, rows = self.equilibria, []
        for number in ds["equilibrium"].values:
            one = ds.sel(equilibrium=number)
            starts = self.dataset["start"].values[self.dataset["start_equilibrium"].values == number]
            for name in ds["provider"].values:
                own = one.sel(provider=name)
                actions = {f"{self.dataset.attrs['play']}: {k}": float(own["action"].sel(workload=k))
                           for k in ds["workload"].values}  # fmt: skip
                money = {key: float(own[key]) for key in ("profit", "gain")}
                rows.append(
                    {"equilibrium": int(number), "provider": str(name)}
                    | actions
                    | money
                    | {"starts": ", ".join(map(str, starts))}
                )
        columns = ["equilibrium", "provider", "starts"]
        frame = pd.DataFrame(rows) if rows else pd.DataFrame(columns=columns)
        return frame.set_index(["equilibrium", "provider"])

    @property
    def verdict(self) -> str:
        """What came of it, in a sentence or two."""
        text = self._pure()
        return "; ".join(filter(None, (text, self._mixed(), self._left_out())))

    def _left_out(self) -> str:
        """Say what was not tried, or could not be."""
        attrs, parts = self.dataset.attrs, []
        profiles = int(attrs.get("clearings", 0))
        if left := int(attrs.get("starts_left", 0)):
            many = counted(left, "further start")
            parts.append(f"{many} left out after {profiles:,} clearings (more with `clearings` or `starts`)")
        if infeasible := int(attrs.get("infeasible", 0)):
            parts.append(
                f"at {infeasible:,} of {profiles:,} profiles tried demand that must be served could not be"
            )
        if failed := int(attrs.get("failed", 0)):
            parts.append(
                f"{failed:,} of {profiles:,} profiles could not be cleared: {attrs['first_failure']}"
            )
        return "; ".join(parts)

    def _pure(self) -> str:
        gain = _money(self.epsilon, self.epsilon_relative)
        starts = self.dataset.sizes["start"]
        found = self.dataset.sizes.get("equilibrium", 0)
        if self.converged:
            several = f"; {found} distinct equilibria from {starts} starts" if found > 1 else ""
            text = f"converged after {counted(self.rounds, 'round')}: nobody gains more than {gain} by moving alone"
            return text + several
        if starts > 1:
            return f"no equilibrium found {self._effort()}; at the profile shown somebody gains {gain} by moving alone"
        if self.cycle:
            return (
                f"no equilibrium found: the best responses repeat themselves every {self.cycle} rounds, and at the"
                f" profile shown somebody gains {gain} by moving alone"
            )
        rounds = counted(self.rounds, "round")
        if bool(self.dataset.attrs["rested"]):
            return f"came to rest after {rounds}, but somebody still gains {gain} by moving alone"
        return f"did not come to rest in {rounds}: somebody still gains {gain} by moving alone"

    def _effort(self) -> str:
        """Say how hard it was looked."""
        ds = self.dataset
        cycles = ds["start_cycle"].values
        loops, rested = int((cycles > 0).sum()), int((ds["start_rested"].values > 0).sum())
        lengths = sorted(set(cycles[cycles > 0].tolist()))
        parts = []
        if loops:
            shown = str(lengths[0]) if len(lengths) == 1 else f"{lengths[0]} to {lengths[-1]}"
            parts.append(f"from {loops} the best responses repeat themselves every {shown} rounds")
        if rested:
            parts.append(f"from {rested} they come to rest where somebody still gains")
        if (rest := len(cycles) - loops - rested) > 0:
            parts.append(f"from {rest} they did not come to rest")
        grid = f"grids of {ds.attrs['points']} candidates, refined {counted(int(ds.attrs['levels']), 'time')}"
        rounds = counted(int(ds["start_rounds"].sum()), "round")
        return f"from {len(cycles)} starts in {rounds} ({grid}): {', '.join(parts)}"

    def _mixed(self) -> str:
        """Say what mixed equilibria there are."""
        ds = self.dataset
        if "mixed_gain" not in ds:
            return ""
        gains = ds["mixed_gain"].max("provider").values
        pure = int((ds["mixed_method"].values == "pure").sum())
        found = f"{len(gains)} {'equilibrium' if len(gains) == 1 else 'equilibria'}"
        kinds = f"{pure} pure" if pure else "all mixed" if len(gains) > 1 else "mixed"
        worst = max(
            range(len(gains)), key=lambda place: float(ds["mixed_gain_beyond"].max("provider")[place])
        )
        beyond = float(ds["mixed_gain_beyond"].max("provider")[worst])
        payment = float(ds["mixed_payment"][worst])
        return (
            f"of the game of {ds.sizes['choice']} actions each {found} found ({kinds}): nobody gains more than"
            f" {_money(float(gains.max()), _share(float(gains.max()), payment))} by another of these actions,"
            " nor more than"
            f" {_money(beyond, _share(beyond, payment))} by one between them"
        )

    def plot(self, **options: Any) -> Figure:
        """Draw the actions, profits and gains over the rounds.

        Parameters
        ----------
        **options
            As `tokenflow_sim.plot.convergence` takes them.
        """
        plot = importlib.import_module("tokenflow_sim.plot")
        return cast("Figure", plot.convergence(self.dataset, **options))

    @safe_repr
    def __repr__(self) -> str:
        """Give the verdict."""
        return f"<Equilibrium: {self.verdict}>"


def _share(gain: float, payment: float) -> float:
    return gain / payment if payment > 0 else (0.0 if gain == 0 else float("inf"))


def _money(gain: float, share: float) -> str:
    return f"{gain:,.2f} $/h ({100 * share:.3g} % of what demand pays)"
