"""What is known of one variable: its name, dimensions, unit, meaning, and how its blocks are taken together."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import Literal

Extra = Literal["block", "step"]
Collapse = Literal["sum", "mean", "max"]

LINK_RATE = "<link rate>"  # GB/s where bandwidth is physical, Mtok/s in token equivalents
LINK_USE = "<link use>"  # GB/Mtok where bandwidth is physical, 1 in token equivalents
LINK_PRICE = "<link price>"  # $/GB where bandwidth is physical, $/Mtok in token equivalents
LINK_SLOPE = "<link slope>"  # price per unit of load
SLOPE = "$/Mtok per Mtok/s"

_LINK_UNITS = {
    "GB/s": {LINK_RATE: "GB/s", LINK_USE: "GB/Mtok", LINK_PRICE: "$/GB", LINK_SLOPE: "$/GB per GB/s"},
    "Mtok/s": {LINK_RATE: "Mtok/s", LINK_USE: "1", LINK_PRICE: "$/Mtok", LINK_SLOPE: "$/Mtok per Mtok/s"},
}


@dataclass(frozen=True)
class Variable:
    """One variable of the package.

    Parameters
    ----------
    name : str
        Its name in every Dataset.
    dims : tuple of str
        Its dimensions, in order.
    unit : str
        Its unit; link quantities depend on how bandwidth is measured, see `unit_for`.
    long_name : str
        What it means, as an axis label.
    extra : {'block', 'step'} or None
        The dimension that may follow `dims`: blocks of an offer, or steps of demand.
    collapse : {'sum', 'mean', 'max'}
        How blocks or steps are taken together. Quantities are summed; an offer price or a value is the mean by
        `weight`; of rents the largest counts, which is that of the block with the lowest price.
    weight : str or None
        The quantity, of the same table, that weights the mean.
    may_broadcast : bool
        Whether an input that lacks one of `dims` is repeated along it; otherwise that would multiply a quantity.
    may_be_infinite : bool
        Whether infinity is a valid number: something unlimited, or demand that must be served.
    may_be_negative : bool
        Whether an input may be below zero. Electricity may cost less than nothing, and so may service; routes may not,
        since a cycle of them would pay without end.
    required : bool or str
        Whether it is always there; or the dimension with which it must be.
    default : float, bool or None
        What an input that was left out is taken to be.
    """

    name: str
    dims: tuple[str, ...]
    unit: str
    long_name: str
    extra: Extra | None = None
    collapse: Collapse = "sum"
    weight: str | None = None
    may_broadcast: bool = True
    may_be_infinite: bool = False
    may_be_negative: bool = False
    required: bool | str = True
    default: float | bool | None = None

    @property
    def full_dims(self) -> tuple[str, ...]:
        """Its dimensions with the extra one, where it may have one."""
        return self.dims if self.extra is None else (*self.dims, self.extra)

    def dims_among(self, present: Collection[str]) -> tuple[str, ...]:
        """Return its dimensions where only some extra ones are `present`, e.g. no blocks."""
        return self.full_dims if self.extra in present else self.dims

    def unit_for(self, link_unit: str = "GB/s") -> str:
        """Return the unit where links are measured in `link_unit` (``GB/s`` or ``Mtok/s``)."""
        return _LINK_UNITS[link_unit].get(self.unit, self.unit)

    def attrs(self, link_unit: str = "GB/s") -> dict[str, str]:
        """Return the attributes that an array of this variable carries."""
        return {"units": self.unit_for(link_unit), "long_name": self.long_name}
