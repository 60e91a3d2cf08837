"""Many markets of one scenario that differ in their seeds, stepped together."""

from tokenflow_sim.batch.batch import Batch as Batch
