"""Modules of PyTorch that follow each other, the last of them beside another; needs PyTorch to be imported."""

from __future__ import annotations

from typing import Any

from torch import nn


class Chain(nn.Module):
    """Modules that follow each other.

    Parameters
    ----------
    *modules : torch.nn.Module
        The modules, in order.
    spread : torch.nn.Module, optional
        One on top of the last but one, whose output is returned too.
    """

    def __init__(self, *modules: Any, spread: Any = None) -> None:
        super().__init__()
        self.body = nn.Sequential(*modules[:-1])
        self.head, self.spread = modules[-1], spread

    def forward(self, observation: Any) -> Any:
        """Return the output of the last module, or of it and of the spread."""
        below = self.body(observation)
        return self.head(below) if self.spread is None else (self.head(below), self.spread(below))
