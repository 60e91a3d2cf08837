"""Units of series: what a file may state, the factor to the unit of the scenario, and which values are plausible."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from tokenflow_sim.errors import unknown_name
from tokenflow_sim.numeric import SECONDS_PER_HOUR

_CURRENCY = re.compile(r"[A-Z]{3}")
_SIGNS = {"€": "EUR", "£": "GBP", "US$": "$", "USD": "$"}


@dataclass(frozen=True)
class UnitFamily:
    """Units that measure one thing.

    Parameters
    ----------
    what : str
        What is measured, for messages, e.g. ``electricity price``.
    base : str
        The unit in which a scenario holds it.
    factors : mapping
        How many base units one of each unit is.
    low, high : float
        Plausible sizes of a series' mean in base units: beyond them another unit was probably meant.
    money : bool
        Whether a unit begins with a currency, which may be another than $.
    signed : bool
        Whether values may be negative.
    """

    what: str
    base: str
    factors: Mapping[str, float]
    low: float = 0.0
    high: float = np.inf
    money: bool = False
    signed: bool = False
    _names: dict[str, str] = field(default_factory=dict, init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        """Index the units by how they are compared."""
        self._names.update({_folded(unit): unit for unit in self.factors})

    def factor(self, unit: str | None, rate: float | None = None) -> float:
        """Return the factor from a stated unit to the base unit.

        Parameters
        ----------
        unit : str or None
            The unit; the base unit if left out.
        rate : float, optional
            Dollars per unit of the stated currency; needed where that is not $.

        Raises
        ------
        ValueError
            If the unit is unknown, or another currency comes without a rate.
        """
        if unit is None:
            return 1.0 if rate is None else rate
        text = unit.strip()
        currency = ""
        if self.money:
            for sign, code in _SIGNS.items():
                text = f"{code}{text.removeprefix(sign)}" if text.startswith(sign) else text
            if _CURRENCY.match(text):
                currency, text = text[:3], f"${text[3:]}"
        name = self._names.get(_folded(text))
        if name is None:
            options = list(self.factors)
            raise ValueError(f"{unknown_name('unit', unit, options)} (of {self.what})")
        if currency and rate is None:
            raise ValueError(
                f"unit {unit} is in {currency}, and a scenario's money is $: give `rate`, dollars per {currency} (1"
                f" where all money of the scenario is {currency})"
            )
        return self.factors[name] * (1.0 if rate is None else rate)

    def doubt(self, values: NDArray[np.float64], unit: str | None) -> str:
        """Return why the unit is probably not the one that was meant; empty where the values are plausible.

        Parameters
        ----------
        values : ndarray
            In base units; NaN counts as nothing.
        unit : str or None
            The unit that was stated.
        """
        sizes = np.abs(values[np.isfinite(values) & (values != 0)])
        if not sizes.size:
            return ""
        mean = float(sizes.mean())
        if self.low <= mean <= self.high:
            return ""
        stated = self.factor(unit, 1.0)
        likely = [
            name
            for name, factor in self.factors.items()
            if factor != stated and self.low <= mean / stated * factor <= self.high
        ]
        meant = f"; is it {' or '.join(likely[:2])}?" if likely else ""
        return (
            (
                f"its mean size is {mean / stated:.4g} {unit or self.base}"
                + (f" ({mean:.4g} {self.base})" if stated != 1 else "")
                + f", beyond what an {self.what} usually is{meant}"
            )
            .replace("an demand", "a demand")
            .replace("an carbon", "a carbon")
            .replace("an load", "a load")
            .replace("an share", "a share")
            .replace("an cost", "a cost")
        )


def _folded(unit: str) -> str:
    return unit.replace(" ", "").replace("per", "/").casefold()


ELECTRICITY_PRICE = UnitFamily(
    "electricity price",
    "$/kWh",
    {"$/kWh": 1.0, "$/MWh": 1e-3, "ct/kWh": 1e-2, "$/GWh": 1e-6},
    low=1e-3,
    high=0.5,
    money=True,
    signed=True,
)
TOKEN_RATE = UnitFamily(
    "demand",
    "Mtok/s",
    {
        "Mtok/s": 1.0, "tok/s": 1e-6, "ktok/s": 1e-3, "Gtok/s": 1e3,
        "Mtok/h": 1 / SECONDS_PER_HOUR, "tok/h": 1e-6 / SECONDS_PER_HOUR, "Gtok/h": 1e3 / SECONDS_PER_HOUR,
        "Mtok/min": 1 / 60, "tok/min": 1e-6 / 60,
    },
    low=1e-7,
    high=1e4,
)  # fmt: skip
POWER = UnitFamily("power", "MW", {"MW": 1.0, "kW": 1e-3, "GW": 1e3, "W": 1e-6}, high=1e5)
CARBON_INTENSITY = UnitFamily(
    "carbon intensity",
    "g/kWh",
    {
        "g/kWh": 1.0, "kg/kWh": 1e3, "kg/MWh": 1.0, "t/MWh": 1e3, "lb/MWh": 0.45359237,
        "gCO2/kWh": 1.0, "gCO2eq/kWh": 1.0, "kgCO2/MWh": 1.0, "kgCO2eq/MWh": 1.0,
    },
    low=1.0,
    high=2000.0,
)  # fmt: skip
CARBON_PRICE = UnitFamily(
    "carbon price", "$/t", {"$/t": 1.0, "$/kg": 1e3, "$/lb": 1 / 0.00045359237}, high=5e3, money=True
)
LOCAL_LOAD = UnitFamily("load", "MW", {"MW": 1.0, "kW": 1e-3, "GW": 1e3, "W": 1e-6}, high=1e5, signed=True)
SHARE = UnitFamily("share", "1", {"1": 1.0, "%": 1e-2})
GENERATION_COST = UnitFamily(
    "cost of generation",
    "$/MWh",
    {"$/MWh": 1.0, "$/kWh": 1e3, "ct/kWh": 10.0, "$/GWh": 1e-3},
    high=1e4,
    money=True,
    signed=True,
)
