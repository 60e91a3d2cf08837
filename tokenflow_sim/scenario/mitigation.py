"""The fields of market-power mitigation: caps on offers and prices, and the test for pivotal suppliers."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Annotated, Any, Self

from pydantic import Discriminator, Field, Tag, model_validator

from tokenflow_sim.scenario.fields import Count, Freeze, Name, NonNegative, Part


def _form(value: Any) -> str:
    return "classes" if isinstance(value, Mapping) else "number"


ByClass = Annotated[
    Annotated[NonNegative, Tag("number")]
    | Annotated[dict[Name, NonNegative], Field(min_length=1), Freeze, Tag("classes")],
    Discriminator(_form),
]
"""One number for all classes, or numbers by class; classes that are left out have none."""


class Mitigation(Part):
    """Rules against market power, applied to what was submitted before the market is cleared.

    The reference level of an offer is its true cost plus `adder`. An offer above the cap is set to the cap, or to its
    true cost where that is higher. A provider that fails the pivotal-supplier test has its offers in that market set
    to their reference levels where these are lower.
    """

    offer_cap: ByClass | None = Field(
        default=None,
        description="Highest offer price in $/Mtok that needs no higher true cost: one number, or one by class.",
    )
    price_cap: ByClass | None = Field(
        default=None,
        description="Administrative price cap in $/Mtok: the most that demand pays, at which service is lost rather"
        " than bought dearer, also where it must be served: one number, or one by class.",
    )
    pivotal_suppliers: Annotated[Count, Field(ge=1)] | None = Field(
        default=None,
        description="How many suppliers are taken out in the test: the tested one and the largest others; 3 makes it"
        " the three-pivotal-supplier test. No test if left out.",
    )
    adder: NonNegative = Field(
        default=0.1, description="What reference levels are above true cost, as a share of its size."
    )

    @model_validator(mode="after")
    def _does_something(self) -> Self:
        if self.offer_cap is None and self.price_cap is None and self.pivotal_suppliers is None:
            raise ValueError("needs an `offer_cap`, a `price_cap` or `pivotal_suppliers`; found none of them")
        return self

    def named_classes(self) -> Iterator[tuple[str, Iterable[str]]]:
        """Yield which fields name classes, and which."""
        for field in ("offer_cap", "price_cap"):
            given = getattr(self, field)
            if isinstance(given, Mapping):
                yield field, list(given)


def by_class(cap: float | Mapping[str, float] | None, workloads: Iterable[str]) -> list[float]:
    """Return a cap for each class, infinite where it has none."""
    if isinstance(cap, Mapping):
        return [cap.get(name, float("inf")) for name in workloads]
    return [float("inf") if cap is None else cap for _ in workloads]
