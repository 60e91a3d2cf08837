"""Studies: questions asked of many markets or runs, each answered by a table, a Dataset and figures."""

from tokenflow_sim.study.paper import Reproduction, reproduce

__all__ = ["Reproduction", "reproduce"]
