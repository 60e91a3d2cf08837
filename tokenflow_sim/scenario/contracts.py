"""The fields of forward contracts: who sold how much to whom, at which node and class, and at which price."""

from __future__ import annotations

from typing import Annotated, Any, Self

from pydantic import BeforeValidator, Discriminator, Field, Tag, model_validator

from tokenflow_sim.scenario.fields import Count, Label, Name, NonNegative, Number, Part
from tokenflow_sim.scenario.known_types import listed

PARTIES = ("provider", "owner", "region")
"""Kinds of agents that may hold a contract."""


def _form(value: Any) -> str:
    return "list" if isinstance(value, (list, tuple)) else "number"


Quantity = Annotated[
    Annotated[NonNegative, Tag("number")]
    | Annotated[tuple[NonNegative, ...], BeforeValidator(listed), Field(min_length=1), Tag("list")],
    Discriminator(_form),
]
"""One number for all periods, or one for each."""


class Contract(Part):
    """A contract for difference: in each period the seller pays (price at the node - `price`) x quantity to the buyer.

    Where the price is below that of the contract, the buyer pays the seller. It is settled beside the market, which
    clears as if there were none.
    """

    seller: Label | None = Field(
        default=None,
        description="Who sells: a provider, a network owner or a demand region, with its kind before it"
        " (`region:dallas`) where several have the name; if left out, somebody outside the market.",
    )
    buyer: Label | None = Field(
        default=None, description="Who buys, likewise; if left out, somebody outside the market."
    )
    node: Name = Field(description="Node whose price it is settled at.")
    workload: Name = Field(description="Class whose price it is settled at.")
    quantity: Quantity = Field(
        description="Quantity in Mtok/s: a number, or a list with one for each period from 0 on."
    )
    price: Number = Field(description="Price of the contract in $/Mtok.")
    first: Count = Field(default=0, description="First period of the contract, counted from 0.")
    last: Count | None = Field(
        default=None, description="Last period of the contract, itself included; that of the run if left out."
    )

    @model_validator(mode="after")
    def _has_parties_and_periods(self) -> Self:
        if self.seller is None and self.buyer is None:
            raise ValueError("needs a `seller`, a `buyer`, or both; found neither")
        if self.last is not None and self.last < self.first:
            raise ValueError(f"last is period {self.last}, before first, {self.first}")
        return self
