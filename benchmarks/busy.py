"""How fast runs are beside a busy process, by the clock on the wall: ``python -m benchmarks.busy``.

A run of a day is repeated in one process, with BLAS as a user has it. Repetitions alternate between a machine that is
otherwise idle and one where a second process keeps one core busy, so that both see the same machine. The busy
process is stopped and continued by signals; it ends with the measurement.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from statistics import median
from time import perf_counter, process_time

import tokenflow_sim as tf
from benchmarks.page import Table, versions, write_section

SCENARIOS = ("us5", "us20", "us20_oligopoly")
PERIODS = 96
REPETITIONS = 9
_SPIN = "while True: pass"


def run(scenario: tf.Scenario) -> tuple[float, float]:
    """Return the seconds on the wall and of the processor that a period of one run takes."""
    model = tf.TokenMarket(scenario, rng=1, periods=PERIODS)
    began, worked = perf_counter(), process_time()
    model.run()
    return (perf_counter() - began) / PERIODS, (process_time() - worked) / PERIODS


def measured(name: str, spinning: subprocess.Popen[bytes]) -> dict[str, tuple[float, float]]:
    """Return the median seconds a period on the wall and of the processor, alone and beside a busy process."""
    scenario = tf.load_scenario(name)
    taken: dict[str, list[tuple[float, float]]] = {"alone": [], "beside": []}
    run(scenario)  # what is made once is made before the clock starts
    for _ in range(REPETITIONS):
        taken["alone"].append(run(scenario))
        os.kill(spinning.pid, signal.SIGCONT)
        taken["beside"].append(run(scenario))
        os.kill(spinning.pid, signal.SIGSTOP)
    return {
        how: (median(wall for wall, _ in some), median(work for _, work in some))
        for how, some in taken.items()
    }


def main() -> None:
    """Measure everything, and write the section of the page."""
    spinning = subprocess.Popen([sys.executable, "-c", _SPIN])
    os.kill(spinning.pid, signal.SIGSTOP)
    table = Table()
    try:
        for name in SCENARIOS:
            found = measured(name, spinning)
            for how, text in (("alone", "alone"), ("beside", "beside a busy process")):
                wall, work = found[how]
                table.set(f"{name}, periods a second, {text}", "by the clock on the wall", f"{1 / wall:.0f}")
                table.set(f"{name}, periods a second, {text}", "by the processor's time", f"{1 / work:.0f}")
    finally:
        spinning.kill()
        spinning.wait()
    text = f"{table.text()}\n\n{versions()}"
    write_section("busy", text)
    print(text)


if __name__ == "__main__":
    main()
