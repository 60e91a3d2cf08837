"""Print the reference page of all figures: ``python -m tokenflow_sim.plot > docs/reference/figures.md``."""

from tokenflow_sim.plot.reference import reference

print(reference(), end="")
