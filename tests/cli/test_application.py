from __future__ import annotations

import socket

from tests.cli.conftest import Invoke, assert_clean_error
from tokenflow_sim.app import server


def test_a_port_that_is_taken_is_told(tokenflow: Invoke) -> None:
    with socket.socket() as taken:
        taken.bind((server.HOST, 0))
        taken.listen()
        port = taken.getsockname()[1]
        told = assert_clean_error(tokenflow("app", "us5", "--port", str(port), "--no-browser"))
    assert f"cannot listen on port {port} of 127.0.0.1" in told
    assert "--port 0" in told


def test_a_scenario_with_faults_is_told_before_anything_is_served(tokenflow: Invoke) -> None:
    assert "unknown scenario" in assert_clean_error(tokenflow("app", "us6", "--no-browser"))
