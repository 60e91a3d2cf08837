"""``tokenflow train``: train agents of a market, and write their policies."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Annotated, Any

import typer

from tokenflow_sim.cli.console import progress, say
from tokenflow_sim.cli.options import AllowCode, Debug, Force, Overrides, Periods, Source, parse_overrides
from tokenflow_sim.errors import Fault, InputError


def train(
    scenario: Source,
    agents: Annotated[
        list[str],
        typer.Option(
            "--agent",
            metavar="NAME",
            help="Who learns; may be repeated, or be `providers`, `owners` or `regions`: then by independent PPO.",
        ),
    ],
    steps: Annotated[int, typer.Option("--steps", min=1, metavar="N", help="Periods to learn from.")],
    out: Annotated[
        Path, typer.Option("--out", "-o", metavar="DIR", help="Folder for the policies and the checkpoint.")
    ],
    algorithm: Annotated[
        str, typer.Option("--algorithm", help="ppo, a2c, dqn, sac or td3 of Stable-Baselines3.")
    ] = "ppo",
    parameters: Annotated[
        list[str] | None,
        typer.Option("--parameter", metavar="NAME=VALUE", help="Change a parameter of the algorithm."),
    ] = None,
    actions: Annotated[str, typer.Option("--actions", help="continuous or discrete.")] = "continuous",
    periods: Periods = None,
    environments: Annotated[
        int, typer.Option("--environments", min=1, metavar="N", help="How many seeds to learn from at once.")
    ] = 1,
    seed: Annotated[int, typer.Option("--seed", min=0, help="Seed of all random numbers.")] = 0,
    assignments: Overrides = None,
    format: Annotated[str, typer.Option("--format", help="safetensors or onnx.")] = "safetensors",
    checkpoint: Annotated[
        int, typer.Option("--checkpoint", min=1, metavar="N", help="Steps between two checkpoints.")
    ] = 20_000,
    resume: Annotated[
        bool, typer.Option("--resume", help="Go on with the training in this folder, to the same bits.")
    ] = False,
    force: Force = False,
    allow_code: AllowCode = False,
    debug: Debug = False,
) -> None:
    """Train agents of a scenario by reinforcement learning, among rivals that play their strategies."""
    given: dict[str, Any] = {
        "steps": steps, "out": out, "seed": seed, "checkpoint": checkpoint, "resume": resume, "force": force,
        "format": format, "parameters": _values(parameters),
        "environment": {
            "actions": actions, "periods": periods, "overrides": parse_overrides(assignments) or None,
            "allow_code": allow_code,
        },
    }  # fmt: skip
    several = len(agents) > 1 or agents[0] in ("providers", "owners", "regions")
    if several and algorithm != "ppo":
        fault = Fault(f"several agents learn by ppo, each on its own; found {algorithm!r}", "--algorithm")
        raise InputError([fault], "the command line")
    if several and environments > 1:
        fault = Fault("several agents learn from one market", "--environments")
        raise InputError([fault], "the command line")

    from tokenflow_sim.learning import train, train_independent

    began = time.perf_counter()
    with progress("training", steps, "periods") as advance:
        shown = 0

        def show(done: int, _: int) -> None:
            nonlocal shown
            advance(done - shown)
            shown = done

        if several:
            who = agents[0] if len(agents) == 1 else agents
            written = train_independent(scenario, who, progress=show, **given)
        else:
            written = {
                agents[0]: train(
                    scenario,
                    agents[0],
                    algorithm=algorithm,  # type: ignore[arg-type]
                    environments=environments,
                    progress=show,
                    **given,
                )
            }
    took = time.perf_counter() - began
    say(f"trained in {took:.0f} s; learning curve: {out / 'learning_curve.csv'}")
    for name, folder in written.items():
        say(f"policy of {name}: {folder}")


def _values(pairs: list[str] | None) -> dict[str, Any]:
    """Read the values of parameters, which are YAML."""
    from tokenflow_sim.scenario import yaml_text

    found: dict[str, Any] = {}
    faults = []
    for pair in pairs or ():
        name, equals, text = pair.partition("=")
        try:
            found[name.strip()] = yaml_text.read(text).data
            faults += (
                [] if equals else [Fault("give a name and a value, e.g. gamma=0.9", f"--parameter {pair}")]
            )
        except yaml_text.YamlFault as error:
            faults.append(Fault(f"is no YAML: {error.message}", f"--parameter {pair}"))
    if faults:
        raise InputError(faults, "the command line")
    return found
