"""``equilibrium``: offers from which no provider gains by moving alone, found by iterated best response."""

from __future__ import annotations

import importlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import numpy as np
import pandas as pd
import xarray as xr

from tokenflow_sim.errors import Fault, known
from tokenflow_sim.market import Market
from tokenflow_sim.scenario import Scenario, load_scenario
from tokenflow_sim.study.choices import refuse
from tokenflow_sim.study.crew import Crew, Progress, check_workers
from tokenflow_sim.study.game import MarketGame, Play
from tokenflow_sim.study.search import Search
from tokenflow_sim.study.telling import safe_repr
from tokenflow_sim.variables import CLEARING, MARKET

if TYPE_CHECKING:
    from distributed import Client
    from matplotlib.figure import Figure

_ACTIONS = {"price": "mark-up over true cost", "quantity": "share of capacity offered"}


@dataclass(frozen=True)
class Equilibrium:
    """Where iterated best response came to rest, or that it did not, and what each provider could still gain.

    Parameters
    ----------
    dataset : Dataset
        `action` (provider, workload), a mark-up or a share of capacity; `profit`, `truthful_profit` (where everybody
        is truthful) and `gain` (what each could still gain by moving alone), (provider,), $/h; `price` (node,
        workload); `offer_price` and `offer_quantity` (asset, workload); and by round `history_action`,
        `history_profit` and `history_gain`, the largest gain that a mover saw; round 0 is the start. Attributes:
        `play`, `by`, `cycle`, `rested`, `tolerance`, `payment` in $/h, `scenario_name`.
    """

    dataset: xr.Dataset

    @property
    def converged(self) -> bool:
        """Whether the iteration came to rest, and nobody gains more than the tolerance by moving alone."""
        attrs = self.dataset.attrs
        return bool(attrs["rested"]) and self.epsilon_relative <= float(attrs["tolerance"])

    @property
    def epsilon(self) -> float:
        """The largest gain that any provider could still make by moving alone, in $/h."""
        return float(self.dataset["gain"].max())

    @property
    def epsilon_relative(self) -> float:
        """That gain as a share of what demand pays."""
        payment = float(self.dataset.attrs["payment"])
        return self.epsilon / payment if payment > 0 else (0.0 if self.epsilon == 0 else float("inf"))

    @property
    def cycle(self) -> int:
        """After how many rounds the iteration repeats itself; 0 where it does not."""
        return int(self.dataset.attrs["cycle"])

    @property
    def rounds(self) -> int:
        """Rounds that were played."""
        return int(self.dataset.sizes["round"]) - 1

    @property
    def offers(self) -> xr.Dataset:
        """`offer_price` in $/Mtok and `offer_quantity` in Mtok/s, dims (asset, workload[, block])."""
        return self.dataset[["offer_price", "offer_quantity"]]

    @property
    def history(self) -> xr.Dataset:
        """`action`, `profit` and `gain` after each round; round 0 is the start."""
        names = {f"history_{name}": name for name in ("action", "profit", "gain")}
        return self.dataset[list(names)].rename(names)

    @cached_property
    def table(self) -> pd.DataFrame:
        """One row a provider: its action by class, its profit, that of the truthful market, what it could gain."""
        ds = self.dataset
        actions = {
            f"{ds.attrs['play']}: {k}": ds["action"].sel(workload=k).values for k in ds["workload"].values
        }
        money = {name: ds[name].values for name in ("profit", "truthful_profit", "gain")}
        return pd.DataFrame(actions | money, index=pd.Index(ds["provider"].values, name="provider"))

    @property
    def verdict(self) -> str:
        """What came of it, in a sentence."""
        gain = f"{self.epsilon:,.2f} $/h ({100 * self.epsilon_relative:.3g} % of what demand pays)"
        if self.converged:
            return f"converged after {self.rounds} rounds: nobody gains more than {gain} by moving alone"
        if self.cycle:
            return (
                f"no equilibrium found: the best responses repeat themselves every {self.cycle} rounds, and at the"
                f" profile shown somebody gains {gain} by moving alone"
            )
        if bool(self.dataset.attrs["rested"]):
            return f"came to rest after {self.rounds} rounds, but somebody still gains {gain} by moving alone"
        return f"did not come to rest in {self.rounds} rounds: somebody still gains {gain} by moving alone"

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


def equilibrium(
    scenario: str | Path | Scenario | Market,
    providers: Sequence[str] | None = None,
    *,
    play: Play = "price",
    by: str = "workload",
    period: int = 0,
    overrides: Mapping[str, Any] | None = None,
    points: int = 21,
    levels: int = 3,
    damping: float = 1.0,
    rounds: int = 100,
    tolerance: float = 1e-3,
    ceiling: float = 10.0,
    start: float | None = None,
    workers: int | None = 1,
    client: Client | None = None,
    progress: Progress | None = None,
) -> Equilibrium:
    """Look for offers from which no provider gains by moving alone, in one period's market.

    Providers move one after the other, in the order of their names, each to the candidate that brings it most
    while the others stay (Gauss-Seidel). Where nobody moves any more, the grid of candidates is refined about
    that point, and the iteration goes on; at the end every provider looks for a better offer on a finer grid over the
    whole range. Where the iteration repeats itself, that is told.

    Parameters
    ----------
    scenario : str, Path, Scenario or Market
        A scenario, whose market of expected demand in `period` is taken; or a market whose offers are true costs.
    providers : sequence of str, optional
        Who chooses; the others stay truthful. Everyone if left out.
    play : {'price', 'quantity'}
        Mark-ups on cost with all capacity offered, or quantities at cost: a share of every asset's capacity.
    by : {'workload', 'provider'}
        Whether a provider chooses class by class, one after the other, or one number for all classes.
    period : int
        The period.
    overrides : mapping, optional
        Other values for the scenario, by dotted path.
    points : int
        Candidates on each grid, at least 5.
    levels : int
        How often the grid is refined, each time (points - 1) / 2 times closer.
    damping : float
        Share of the way to its best response that a provider goes: above 0, at most 1.
    rounds : int
        Most rounds.
    tolerance : float
        Share of what demand pays up to which a gain does not count against convergence.
    ceiling : float
        Highest mark-up where demand must be served, so that no value limits it.
    start : float, optional
        Everybody's mark-up or share at the start; truthful prices, or no quantity at all, if left out.
    workers, client
        Where the candidates that a provider weighs are tried, as every study takes them: the same bits everywhere,
        and sooner on several processes where one clearing takes some milliseconds or more.
    progress : callable, optional
        Called after each round with the number of rounds and the most there may be.

    Returns
    -------
    Equilibrium
        With `.converged`, `.epsilon`, `.cycle`, `.offers`, `.history`, `.table` and `.plot()`.

    Raises
    ------
    InputError
        With everything that is wrong in the arguments.
    InfeasibleError
        If the truthful market cannot serve what it must; it tells what is short.

    Notes
    -----
    An equilibrium in pure strategies need not exist: between two places with a thin link each provider prefers to
    keep the other out when that one is aggressive, and to export when it is not (Borenstein, Bushnell and Stoft).
    Nor need it be unique: at a uniform price one pivotal provider sets the price and the others offer low, and any
    of them may be that one (von der Fehr and Harbord).

    `epsilon` is honest about the candidates tried: one mark-up for all of a provider's assets, class by class and all
    classes together. Moves asset by asset are not looked at. Where values come in steps, profits have jumps, at which
    a best response is only approached.

    References
    ----------
    A. A. Cournot, "Recherches sur les principes mathématiques de la théorie des richesses", 1838; J. Bertrand, Journal
    des Savants, 1883; F. Y. Edgeworth, "The Pure Theory of Monopoly", 1925 (1897); J. M. Ortega and W. C. Rheinboldt,
    "Iterative Solution of Nonlinear Equations in Several Variables", 1970 (Gauss-Seidel).

    Examples
    --------
    >>> import tokenflow_sim as tf
    >>> found = tf.equilibrium("us5", ["dallas_dc"], by="provider", points=5, levels=0)
    >>> found.offers.offer_price.dims
    ('asset', 'workload')
    """
    name, market = _market(scenario, period, overrides)
    known_names = sorted(set(market.layout.provider))
    faults: list[Fault] = []
    if isinstance(providers, str):
        faults.append(
            Fault(f"must be a list of providers, e.g. [{providers!r}]; found {providers!r}", "providers")
        )
        providers = None
    for chosen in providers or []:
        if chosen not in known_names:
            faults.append(Fault(known("provider", chosen, known_names), "providers"))
    if providers is not None and not len(providers):
        faults.append(Fault(f"name at least one of {', '.join(known_names)}", "providers"))
    _check(faults, play=play, by=by, points=points, levels=levels, rounds=rounds)
    _check_numbers(faults, damping=damping, tolerance=tolerance, ceiling=ceiling, start=start)
    check_workers(workers, faults)
    refuse(faults, "equilibrium")
    players = None if providers is None else sorted(set(providers))
    game = MarketGame(market, play, players, ceiling)
    truthful = game.must_clear(game.truthful)
    search = Search(game, by, points, levels, damping, rounds, tolerance, progress, start)
    with Crew(workers, client) as game.crew:
        search.run()
        return Equilibrium(_dataset(game, search, truthful.profit, tolerance, name))


def _market(
    scenario: str | Path | Scenario | Market, period: int, overrides: Mapping[str, Any] | None
) -> tuple[str, Market]:
    if isinstance(scenario, Market):
        return "a market", scenario
    loaded = load_scenario(scenario, dict(overrides or {}))
    return loaded.name, loaded.market(period)


def _check(faults: list[Fault], **given: Any) -> None:
    """Add the faults of the options that steer the search."""
    for label, options in (("play", ("price", "quantity")), ("by", ("workload", "provider"))):
        if given[label] not in options:
            faults.append(Fault(known("choice", given[label], options), label))
    for label, least in (("points", 5), ("levels", 0), ("rounds", 1)):
        number = given[label]
        if isinstance(number, bool) or not isinstance(number, int) or number < least:
            faults.append(Fault(f"must be a whole number from {least} on; found {number!r}", label))


def _check_numbers(faults: list[Fault], **given: object) -> None:
    """Add the faults of the options that are numbers of any size; `start` may be left out."""
    for label, number in given.items():
        is_number = isinstance(number, (int, float, np.number)) and not isinstance(number, bool)
        value = float(number) if is_number else np.nan  # type: ignore[arg-type]  # mypy forgets what was asked
        if label == "damping" and not 0 < value <= 1:
            faults.append(Fault(f"must be a number above 0 and at most 1; found {number!r}", label))
        elif label == "start" and number is not None and not 0 <= value < np.inf:
            faults.append(Fault(f"must be a number from 0 on; found {number!r}", label))
        elif label in ("tolerance", "ceiling") and not 0 < value < np.inf:
            faults.append(Fault(f"must be a positive number; found {number!r}", label))


def _dataset(
    game: MarketGame, search: Search, truthful: np.ndarray[Any, Any], tolerance: float, name: str
) -> xr.Dataset:
    """Label what the search found."""
    payoff = game.must_clear(search.actions)  # nobody moves to where the market cannot be cleared
    layout = game.market.layout
    price, quantity = game.offers(search.actions)
    offers = {
        "offer_price": layout.label(MARKET["offer_price"], price),
        "offer_quantity": layout.label(MARKET["capacity"], quantity).rename("offer_quantity"),
        "price": layout.label(CLEARING["price"], payoff.clearing.values.price.copy()),
    }
    gains = np.array([search.gain(player)[0] for player in range(len(game.players))])
    action = {"units": "1", "long_name": _ACTIONS[game.play]}
    own = ("provider",)
    data: dict[str, Any] = {
        "action": ((*own, "workload"), search.actions, action),
        "profit": (own, payoff.profit, _rate("profit")),
        "truthful_profit": (own, truthful, _rate("profit where everybody is truthful")),
        "gain": (own, gains, _rate("what the provider could still gain by moving alone")),
        "history_action": (("round", *own, "workload"), np.array(search.moves), action),
        "history_profit": (("round", *own), np.array(search.profits), _rate("profit")),
        "history_gain": (("round",), np.array(search.gains), _rate("largest gain of a mover")),
    }
    coords = {
        "provider": list(game.players),
        "workload": list(game.workloads),
        "round": np.arange(len(search.gains)),
    }
    renamed = {
        key: array.drop_vars("provider", errors="ignore").assign_coords(
            asset_provider=("asset", np.array(layout.provider, dtype=np.str_))
        )
        if "asset" in array.dims
        else array
        for key, array in offers.items()
    }
    attrs = {
        "title": f"{name}: equilibrium in {'mark-ups' if game.play == 'price' else 'quantities'}",
        "study": "equilibrium",
        "play": game.play,
        "by": search.by,
        "rested": int(search.rested),
        "cycle": search.cycle,
        "tolerance": tolerance,
        "payment": payoff.payment,
        "scenario_name": name,
    }
    return xr.Dataset(data, coords, attrs).assign(renamed)


def _rate(text: str) -> dict[str, str]:
    return {"units": "$/h", "long_name": text}
