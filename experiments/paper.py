"""The paper's published numbers beside ours, and the data of its four figures.

Run ``python experiments/paper.py --out results/paper``. It prints one row a number: the paper's, ours, the
difference, whether they agree to the digits printed, and the note it refers to. It writes the table as CSV and the
figures' data as NetCDF, and exits with 1 if a row that should match does not.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from tokenflow_sim.study import reproduce


def main() -> int:
    """Reproduce the paper; return the exit status."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--out", type=Path, default=Path("results/paper"), help="folder for the table and data"
    )
    folder = parser.parse_args().out
    reproduction = reproduce()
    print(reproduction, end="\n\n")
    for path in reproduction.save(folder):
        print(path)
    for row in reproduction.failures:
        print(f"differs: {row.section}: {row.name}: paper {row.paper:g}, ours {row.ours:g}", file=sys.stderr)
    return 1 if reproduction.failures else 0


if __name__ == "__main__":
    raise SystemExit(main())
