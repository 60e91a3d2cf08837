"""How a market looks to a policy that knows nothing but vectors: observations and actions of one agent.

An encoding is made once from a scenario, goes with the policy that was trained with it as plain data, and says what
differs where a policy of one market meets another.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, replace
from typing import Any, get_args

import numpy as np
from numpy.typing import ArrayLike, NDArray

from tokenflow_sim.errors import Fault, InputError, StrategyError, unknown_name
from tokenflow_sim.numeric import Ints
from tokenflow_sim.scenario import Compiled
from tokenflow_sim.strategies.action_encoding import ActionEncoding, ActionForm, Actions, Submission
from tokenflow_sim.strategies.base import Kind
from tokenflow_sim.strategies.encoding_scales import scales_of
from tokenflow_sim.strategies.observation_encoding import (
    FIELDS,
    MOST_LAGS,
    ObservationEncoding,
    Quantity,
    Vector,
    usual,
)

FORMAT = 1
_SAME = 1e-6
ROWS: dict[Kind, str] = {"provider": "assets", "owner": "arcs", "region": "nodes"}
"""What an agent of each kind has."""


@dataclass(frozen=True)
class Encoding:
    """Observations and actions of one agent of a market.

    Parameters
    ----------
    kind : {'provider', 'owner', 'region'}
        The agent's kind.
    name : str
        The agent that it was made for; another one with the same labels may use it.
    observation : ObservationEncoding
        What it observes.
    action : ActionEncoding
        What it decides.
    money : float
        Money of the agent in a period in $ by which rewards are normalised: what all that it has would cost to serve.

    Examples
    --------
    >>> from tokenflow_sim.scenario import load_scenario
    >>> encoding = Encoding.of(load_scenario("us5").compiled, "provider", "dallas_dc")
    >>> encoding.observation.size, encoding.action.shape
    (84, (1,))
    """

    kind: Kind
    name: str
    observation: ObservationEncoding
    action: ActionEncoding
    money: float

    @classmethod
    def of(
        cls,
        compiled: Compiled,
        kind: Kind,
        name: str,
        *,
        actions: Actions | ActionForm | Mapping[str, Any] = "continuous",
        observe: Sequence[str] | None = None,
        lags: int = 1,
    ) -> Encoding:
        """Make the encoding of an agent of a scenario.

        Parameters
        ----------
        compiled : Compiled
            The scenario as arrays.
        kind : {'provider', 'owner', 'region'}
            The agent's kind.
        name : str
            The agent.
        actions : Actions, str or mapping
            How its decisions are encoded; see `Actions`.
        observe : sequence of str, optional
            The quantities that it observes, of `FIELDS`; all but `LEFT_OUT` where left out.
        lags : int
            How many published periods it observes.

        Raises
        ------
        InputError
            If there is no such agent, quantity or number of periods, or the actions do not fit.
        """
        names = {"provider": compiled.providers, "owner": compiled.owners, "region": compiled.regions}[kind]
        chosen = (
            usual(kind) if observe is None else (observe,) if isinstance(observe, str) else tuple(observe)
        )
        faults = [] if name in names else [Fault(unknown_name(kind, name, names), "name")]
        faults += [
            Fault(unknown_name(f"quantity of a {kind}'s observation", one, list(FIELDS[kind])), "observe")
            for one in chosen
            if one not in FIELDS[kind]
        ]
        if len(set(chosen)) < len(chosen):
            faults.append(Fault(f"names a quantity twice; found {list(chosen)!r}", "observe"))
        if not chosen:
            faults.append(Fault("names no quantity; an observation needs at least one", "observe"))
        if isinstance(lags, bool) or not isinstance(lags, int) or not 1 <= lags <= MOST_LAGS:
            faults.append(Fault(f"must be a whole number from 1 to {MOST_LAGS}; found {lags!r}", "lags"))
        if faults:
            raise InputError(faults, "encoding of observations")
        layout = compiled.layout
        places: dict[Kind, tuple[Mapping[str, Ints], Any]] = {
            "provider": (compiled.provider_assets, layout.assets),
            "owner": (compiled.owner_arcs, layout.arcs),
            "region": (compiled.region_nodes, layout.nodes),
        }
        own, index = places[kind]
        rows = np.asarray(own[name], dtype=np.int64)
        labels = {
            "row": tuple(map(str, index[rows])),
            "workload": tuple(map(str, layout.workloads)),
            "node": tuple(map(str, layout.nodes)),
            "market_asset": tuple(map(str, layout.assets)),
        }
        spec = Actions.of(actions)
        if spec.levers is None and compiled.scenario.rules.must_serve:
            # What is held back where demand must be served may be missing, and end the run.
            spec = replace(spec, levers=("shading",) if kind == "region" else ("markup",))
        scales = scales_of(compiled, kind, rows)
        quantities = tuple(Quantity(one, scales[FIELDS[kind][one].scale]) for one in chosen)
        observation = ObservationEncoding(kind, labels, quantities, lags)
        action = ActionEncoding(kind, len(rows), len(layout.workloads), spec)
        return cls(kind, name, observation, action, float(scales["agent"]))

    def observe(self, view: Any, *markets: int) -> Vector:
        """Return the observation of a view, dims (entry,), float32 from `observation.low` to 1.

        Parameters
        ----------
        view, *markets
            As `ObservationEncoding` takes them.

        Raises
        ------
        StrategyError
            If a quantity is not finite.
        """
        return self.observation(view, *markets)

    def submission(self, view: Any, action: ArrayLike, *markets: int) -> Submission:
        """Return the offer, tender or bid that an action makes of a view.

        Parameters
        ----------
        view, *markets
            As `ObservationEncoding` takes them.
        action : array_like
            Of the action space, with a leading dim where the view is of several markets.

        Raises
        ------
        StrategyError
            If it is no action of this encoding.
        """
        if (found := np.shape(action)) != (wanted := (*markets, *self.action.shape)):
            raise StrategyError(
                f"an action of this {self.kind} has shape {wanted}; found {found or repr(action)[:80]}"
            )
        return self.action.submission(view, action)

    def mask(self, view: Any) -> NDArray[np.int8]:
        """Return which arms are worth trying; see `ActionEncoding.mask`."""
        return self.action.mask(view)

    def to_config(self) -> dict[str, Any]:
        """Return it as plain data, which JSON takes; `from_config` makes it again."""
        return {
            "format": FORMAT,
            "kind": self.kind,
            "name": self.name,
            "labels": {dim: list(names) for dim, names in self.observation.labels.items()},
            "observation": self.observation.to_config(),
            "action": self.action.to_config(),
            "money": self.money,
        }

    @classmethod
    def from_config(cls, config: Mapping[str, Any]) -> Encoding:
        """Make the encoding that `to_config` described.

        Raises
        ------
        InputError
            If it is no such description, or of another version.
        """
        try:
            if config["format"] != FORMAT:
                raise ValueError(f"format {config['format']!r} is not known; this version reads {FORMAT}")
            kind, labels = config["kind"], config["labels"]
            if kind not in get_args(Kind):
                raise ValueError(unknown_name("kind of agent", str(kind), list(get_args(Kind))))
            known = {field.name for field in fields(Actions)}
            if strange := sorted(config["action"].keys() ^ known):
                raise ValueError(f"parameters of actions differ from this version's: {', '.join(strange)}")
            observation = ObservationEncoding.from_config(kind, labels, config["observation"])
            action = ActionEncoding(
                kind, len(labels["row"]), len(labels["workload"]), Actions(**config["action"])
            )
            money = float(config["money"])
            if not 0 < money < np.inf:
                raise ValueError(f"money must be a finite number above 0; found {money}")
            return cls(kind, str(config["name"]), observation, action, money)
        except InputError:
            raise
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            reason = f"lacks {error}" if isinstance(error, KeyError) else str(error)
            raise InputError([Fault(f"cannot be read: {reason}")], "encoding of a policy") from error

    def mismatch(self, view: Any) -> str:
        """Say in one line what differs between this encoding's market and a view's; an empty text if nothing does.

        Scaling cannot differ: a policy brings its own.
        """
        labels, what = self.observation.labels, ROWS[self.kind]
        if not hasattr(view, what) or (self.kind == "region") != hasattr(view, "node"):
            return f"the policy is one of a {self.kind}"
        found = _differ(what, labels["row"], getattr(view, what))
        found += _differ("classes", labels["workload"], view.workloads)
        nodes, seen = labels["node"], view.history.price.shape[-2]
        if self.kind == "provider":
            found += _differ("nodes", nodes, view.nodes)
        elif len(nodes) != seen:
            found.append(f"{len(nodes)} nodes in all in the policy's market, {seen} here")
        if view.last_market is not None and any(
            q.name == "published_offers" for q in self.observation.quantities
        ):
            found += _differ(
                "assets of everybody", labels["market_asset"], tuple(view.last_market.layout.assets)
            )
        return "; ".join(found)

    def difference(self, other: Encoding) -> str:
        """Say in one line how another encoding differs: labels, quantities, scaling, actions; empty if it does not."""
        if self.kind != other.kind:
            return f"kind {self.kind!r}, and {other.kind!r}"
        found: list[str] = []
        words = {"row": ROWS[self.kind], "workload": "classes", "node": "nodes"}
        for dim, word in words.items():
            found += _differ(word, self.observation.labels[dim], other.observation.labels[dim])
        mine, theirs = self.observation, other.observation
        found += _differ(
            "quantities", tuple(q.name for q in mine.quantities), tuple(q.name for q in theirs.quantities)
        )
        if mine.lags != theirs.lags:
            found.append(f"lags {mine.lags}, and {theirs.lags}")
        if not found:
            for one, two in zip(mine.quantities, theirs.quantities, strict=True):
                if not np.allclose(one.scale, two.scale, rtol=_SAME, atol=0.0):
                    first, second = np.ravel(one.scale), np.ravel(two.scale)
                    spot = int(np.argmax(np.abs(first - second) / second))
                    found.append(f"scale of {one.name} {first[spot]:.6g}, and {second[spot]:.6g}")
        ours, others = self.action.to_config(), other.action.to_config()
        found += [
            f"{key} of actions {ours[key]!r}, and {others[key]!r}" for key in ours if ours[key] != others[key]
        ]
        return "; ".join(found)


def _differ(what: str, mine: Sequence[str], theirs: Sequence[str]) -> list[str]:
    """Say how two lists of labels differ."""
    mine, theirs = tuple(map(str, mine)), tuple(map(str, theirs))
    if mine == theirs:
        return []
    lacking = [name for name in mine if name not in theirs]
    new = [name for name in theirs if name not in mine]
    parts = [f"the policy's {_some(lacking)} not here"] if lacking else []
    parts += [f"{_some(new)} not in the policy's market"] if new else []
    return [f"{what}: {', '.join(parts) or 'in another order'}"]


def _some(names: Sequence[str]) -> str:
    more = f" and {len(names) - 3} more" if len(names) > 3 else ""
    return f"{', '.join(map(repr, names[:3]))}{more} {'is' if len(names) == 1 else 'are'}"
