"""Reports: a run, a comparison or a sweep on one page that needs no network, for readers without Python."""

from tokenflow_sim.report.page import render, write_report

__all__ = ["render", "write_report"]
