"""What clearing costs, as ratios within one run: ``uv run --group benchmark pytest benchmarks``."""
