"""Trained policies: exported from PyTorch and Stable-Baselines3."""

from tokenflow_sim.learning.export import export_policy

__all__ = ["export_policy"]
