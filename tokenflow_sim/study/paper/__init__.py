"""The paper's published numbers beside ours: every row, the demand sweep and the data of its figures."""

from tokenflow_sim.study.paper.reproduction import Reproduction, reproduce

__all__ = ["Reproduction", "reproduce"]
