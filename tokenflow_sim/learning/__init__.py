"""Policies that are trained by Stable-Baselines3, and exported from it and from PyTorch.

Needs the extra `learning`; training and export need PyTorch and Stable-Baselines3 beside it.
"""

from tokenflow_sim.learning.export import export_policy
from tokenflow_sim.learning.train import train
from tokenflow_sim.learning.train_independent import train_independent

__all__ = ["export_policy", "train", "train_independent"]
