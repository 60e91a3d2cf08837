"""How far payoffs are from competition to collusion."""

from __future__ import annotations

from typing import Any

import numpy as np
import xarray as xr

from tokenflow_sim.errors import Fault, ResultError
from tokenflow_sim.games.mixed import mixed_equilibria
from tokenflow_sim.numeric import Floats, Ints
from tokenflow_sim.study.arguments import refuse
from tokenflow_sim.study.normal_form import NormalForm

_SAME = 1e-9


def efficient(form: NormalForm) -> Ints:
    """Return the numbers of the profiles at which nobody can get more without another one getting less."""
    flat = form.payoff.reshape(-1, form.players)
    kept: list[int] = []
    for number in np.lexsort(flat.T[::-1])[::-1]:
        ahead = flat[kept]
        if not ((ahead >= flat[number]).all(axis=1) & (ahead > flat[number]).any(axis=1)).any():
            kept.append(int(number))
    return np.array(sorted(kept), dtype=np.int64)


def collusive(form: NormalForm) -> int:
    """Return the number of the profile at which all earn most together; of several, the one of most even payoffs."""
    flat = form.payoff.reshape(-1, form.players)
    total = flat.sum(axis=1)
    most = np.flatnonzero(total >= total.max() - _SAME * max(float(np.abs(total).max()), 1e-300))
    return int(most[np.ptp(flat[most], axis=1).argmin()])


def competitive(form: NormalForm) -> Floats:
    """Return the payoffs at the pure equilibrium of the lowest joint payoff; without any, of a mixed one."""
    payoffs = [form.payoff[one] for one in form.pure_equilibria()]
    if not payoffs:
        payoffs = [form.expected(mixture) for mixture, _ in mixed_equilibria(form, 0, 4, 5_000)]
    return min(payoffs, key=lambda payoff: float(payoff.sum()))


def profit_gain(form: NormalForm, payoff: Any, nash: Any, most: Any) -> xr.DataArray:
    """Return the average profit gain; see `game.Game.profit_gain`.

    Raises
    ------
    InputError
        If there are not as many payoffs as players, or something is no finite number.
    ResultError
        If the joint maximum is no more than competition.
    """
    faults: list[Fault] = []
    found = payoff if isinstance(payoff, xr.DataArray) else None
    if found is None and (values := _numbers(payoff)) is not None and values.ndim:
        found = xr.DataArray(values)
    dim = "provider" if found is None or "provider" in found.dims else str(found.dims[-1])
    if found is None or dim not in found.dims or found.sizes[dim] != form.players:
        text = f"must have a payoff of each of {form.players} players; found {payoff!r:.80}"
        faults.append(Fault(text, "payoff"))
    for name, given in (("nash", nash), ("collusive", most)):
        own = None if given is None else _numbers(given)
        if given is not None and (own is None or own.shape not in ((), (form.players,))):
            text = f"must be a finite number, or one for each of {form.players} players; found {given!r:.80}"
            faults.append(Fault(text, name))
    refuse(faults, "profit gain")
    assert found is not None
    best = form.payoff.reshape(-1, form.players)[collusive(form)] if most is None else most
    least, top = float(np.mean(competitive(form) if nash is None else nash)), float(np.mean(best))
    if not top > least:
        raise ResultError(
            "nothing is to be gained by collusion: the joint maximum is no more than competition"
        )
    gain: xr.DataArray = (found.mean(dim) - least) / (top - least)
    gain.attrs = {"units": "1", "long_name": "profit gain", "nash": least, "collusive": top}
    return gain.rename("profit_gain")


def _numbers(given: Any) -> Floats | None:
    """Return what is given as finite numbers; None where it is something else."""
    try:
        found = np.asarray(given, dtype=np.float64)
    except (TypeError, ValueError):
        return None
    return found if np.isfinite(found).all() else None
