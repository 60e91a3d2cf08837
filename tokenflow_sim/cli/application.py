"""``tokenflow app``: the interactive page."""

from __future__ import annotations

import os
from typing import Annotated

import typer

from tokenflow_sim.cli.console import say
from tokenflow_sim.cli.guard import check_signals
from tokenflow_sim.cli.options import Debug


def app(
    scenario: Annotated[
        str, typer.Argument(metavar="[SCENARIO]", help="A scenario folder, its file, or a bundled scenario.")
    ] = "us20_oligopoly",
    port: Annotated[
        int, typer.Option("--port", min=0, max=65535, help="Port; 0 takes any that is free.")
    ] = 8765,
    no_browser: Annotated[bool, typer.Option("--no-browser", help="Do not open a browser.")] = False,
    debug: Debug = False,
) -> None:
    """Open a page to run a market, change it and look at it; ends with Ctrl-C."""
    from tokenflow_sim.scenario import load_scenario
    from tokenflow_sim.scenario.loading import is_bundled, list_scenarios

    load_scenario(scenario)
    if scenario in list_scenarios() and not is_bundled(scenario):
        scenario = os.path.join(os.curdir, scenario)  # on the page a bare name is a bundled scenario

    from tokenflow_sim.app.server import Server, open_browser

    server = Server(scenario, port)
    try:
        say(f"The page is at {server.url} (this computer only). Ctrl-C ends it.")
        if not no_browser:
            open_browser(server.url)
        while True:
            server.wait(0.5)
            check_signals()
    except KeyboardInterrupt:
        say("The page has ended.")
    finally:
        server.stop()
