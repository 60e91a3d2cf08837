"""``tokenflow doctor``: what this installation is made of and whether it works, for a report of a bug."""

from __future__ import annotations

import io
import os
import platform
import sys
import tempfile
from collections.abc import Callable
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import typer

from tokenflow_sim.cli.console import say, show_table
from tokenflow_sim.cli.guard import CHECK_FAILED, installed_version
from tokenflow_sim.cli.options import Debug

CORE = (
    "highspy", "linopy", "matplotlib", "mesa", "netcdf4", "numpy", "pandas", "pydantic", "pyyaml", "rich", "scipy",
    "typer", "xarray",
)  # fmt: skip
EXTRAS = {
    "study": ("dask", "distributed", "SALib", "zarr"),
    "report": ("jinja2",),
    "app": ("altair", "solara"),
}
PAPER_COST = 137_612.52 + 1_833.57
"""What demand pays in us5, in $/h: what providers and networks earn, as the README shows it."""


def doctor(debug: Debug = False) -> None:
    """Show versions and machine, and check that clearing, writing and drawing work here."""
    say(f"tokenflow_sim {installed_version()}, {Path(__file__).resolve().parents[1]}")
    say(f"Python {platform.python_version()} ({platform.python_implementation()}), {sys.executable}")
    say(f"{platform.platform()}, {os.cpu_count()} processors")
    rows = [("", name, _version(name)) for name in CORE]
    rows += [(extra, name, _version(name)) for extra, names in EXTRAS.items() for name in names]
    show_table("Packages", ["extra", "package", "version"], rows, words=3)
    checks: dict[str, Callable[[], str]] = {
        "scenarios are found": _scenarios,
        "a market is cleared": _clear,
        "results are written and read": _results,
        "figures are drawn": _figures,
    }
    found = [(what, *_run(check)) for what, check in checks.items()]
    show_table(
        "Checks",
        ["check", "", "found"],
        [(w, "ok" if ok else "FAILED", said) for w, ok, said in found],
        words=3,
    )
    if not all(ok for _, ok, _ in found):
        raise typer.Exit(CHECK_FAILED)


def _version(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return "not installed"


def _run(check: Callable[[], str]) -> tuple[bool, str]:
    """Run one check; whatever it raises is what the report is for."""
    try:
        return True, check()
    except Exception as error:  # this command reports what is broken and does not stop at it
        return False, f"{type(error).__name__}: {error}".partition("\n")[0]


def _scenarios() -> str:
    from tokenflow_sim.scenario import list_scenarios

    names = list_scenarios()
    if "us5" not in names:
        raise LookupError("the bundled scenarios are not there; install the package again")
    return ", ".join(names)


def _clear() -> str:
    from tokenflow_sim.market import Clearer, clear, settle
    from tokenflow_sim.scenario import load_bundled

    market = load_bundled("us5").market()
    cold = clear(market)
    paid = float(settle(market, cold).payment.sum())
    if abs(paid - PAPER_COST) > 0.01:
        raise ArithmeticError(f"demand pays {paid:,.2f} $/h in us5, where it should pay {PAPER_COST:,.2f}")
    clearer = Clearer(load_bundled("us5").override({"demand.scale": 20}).market())
    if (clearer.clear(market).price != cold.price).any():
        raise ArithmeticError("prices depend on what was cleared before")
    return f"us5: {paid:,.2f} $/h, largest residual {cold.certificate.worst:.1e}"


def _results() -> str:
    from tokenflow_sim.model import TokenMarket
    from tokenflow_sim.results import load_results

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "run.nc")
        TokenMarket("us5", rng=1, periods=2, out=path).run()
        with load_results(path) as results:
            return f"{results.sizes['period']} periods, {len(results.data_vars)} variables"


def _figures() -> str:
    from tokenflow_sim import plot
    from tokenflow_sim.model import TokenMarket

    model = TokenMarket("us5", rng=1, periods=2)
    model.run()
    plot.prices(model.results()).savefig(io.BytesIO(), format="png")
    return "prices of us5"
