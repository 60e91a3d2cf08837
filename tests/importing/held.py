"""Real files of other tools that lie beside the checkout, if any."""

from __future__ import annotations

from pathlib import Path

FOLDER = Path(__file__).resolve().parents[3] / "shared" / "data" / "real"


def held(*names: str) -> list[Path]:
    """Return those of these files that this machine has; tests make small ones of the same form as well."""
    return [FOLDER / name for name in names if (FOLDER / name).exists()]
