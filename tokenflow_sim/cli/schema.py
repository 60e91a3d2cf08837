"""``tokenflow schema``: the scenario format for editors."""

from __future__ import annotations

import json
import sys

from tokenflow_sim.cli.options import Debug


def schema(debug: Debug = False) -> None:
    """Print the JSON Schema of scenario files, by which editors complete and check them."""
    from tokenflow_sim.scenario.json_schema import json_schema

    utf = sys.stdout.encoding.lower().startswith("utf")
    print(json.dumps(json_schema(), indent=2, ensure_ascii=not utf))
