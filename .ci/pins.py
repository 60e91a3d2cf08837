"""Rewrite the pins of pyproject.toml from uv.lock: names and versions, nothing of where they came from.

Run after ``uv lock --upgrade``, from the top of the checkout: ``uv run python .ci/pins.py``.
"""

import re
import subprocess
from pathlib import Path

LIST = re.compile(r"(?<=^constraint-dependencies = \[\n).*?(?=^\]$)", re.MULTILINE | re.DOTALL)


def main() -> None:
    """Put every locked ``name==version`` into ``constraint-dependencies``, sorted."""
    export = "uv export --quiet --frozen --all-groups --no-hashes --no-emit-project --no-annotate --no-header"
    locked = subprocess.run(export.split(), check=True, capture_output=True, text=True).stdout
    # What holds on one platform only is pinned on all: a constraint installs nothing by itself.
    pins = sorted({line.split(" ;")[0].strip() for line in locked.splitlines() if "==" in line})
    project = Path("pyproject.toml")
    text, count = LIST.subn("".join(f'    "{pin}",\n' for pin in pins), project.read_text())
    if count != 1:
        raise SystemExit("pyproject.toml: no constraint-dependencies list of one pin a line was found")
    project.write_text(text)
    print(f"pinned {len(pins)} packages")


if __name__ == "__main__":
    main()
