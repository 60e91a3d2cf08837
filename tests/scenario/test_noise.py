"""Correlated noise on demand: its moments, its streams, its state."""

from __future__ import annotations

import pickle

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tokenflow_sim.scenario import DemandNoise, Scenario
from tokenflow_sim.scenario.demand import Noise

NODES, CLASSES = ("a", "b", "c"), ("chat", "image")


def streams(seed: int, count: int = 3) -> tuple[np.random.Generator, list[np.random.Generator]]:
    first, *rest = np.random.SeedSequence(seed).spawn(count + 1)
    return np.random.default_rng(first), [np.random.default_rng(item) for item in rest]


def path(noise: DemandNoise, seed: int, steps: int) -> np.ndarray:
    common, own = streams(seed)
    return np.array([noise.step(common, own) for _ in range(steps)])


def test_no_noise_is_all_ones_and_draws_nothing() -> None:
    noise = DemandNoise(None, NODES, CLASSES)
    common, own = streams(1)
    before = common.bit_generator.state
    assert (noise.step(common, own) == 1).all()
    assert common.bit_generator.state == before
    assert noise.step(common, own) is noise.step(common, own)


def test_moments() -> None:
    spec = Noise(volatility={"chat": 0.2, "image": 0.1}, persistence=0.7, common=0.4)
    draws = path(DemandNoise(spec, NODES, CLASSES), 7, 20_000)
    logs = np.log(draws)
    assert draws.mean(axis=0) == pytest.approx(np.ones((3, 2)), abs=0.02)
    assert logs.std(axis=0) == pytest.approx(np.tile([0.2, 0.1], (3, 1)), rel=0.05)
    assert np.corrcoef(logs[:, 0, 0], logs[:, 1, 0])[0, 1] == pytest.approx(0.4, abs=0.05)
    assert np.corrcoef(logs[:, 0, 0], logs[:, 0, 1])[0, 1] == pytest.approx(1)
    assert np.corrcoef(logs[1:, 2, 0], logs[:-1, 2, 0])[0, 1] == pytest.approx(0.7, abs=0.03)


def test_the_first_step_is_as_wide_as_all_others() -> None:
    spec = Noise(volatility={"chat": 0.2}, persistence=0.99, common=0.5)
    first = [path(DemandNoise(spec, NODES, CLASSES), seed, 1)[0, 0, 0] for seed in range(800)]
    assert np.log(first).std() == pytest.approx(0.2, rel=0.1)


def test_persistence_is_told_per_hour() -> None:
    spec = Noise(volatility={"chat": 0.2}, persistence=0.9)
    logs = np.log(path(DemandNoise(spec, NODES, CLASSES, hours=6.0), 3, 20_000)[:, 0, 0])
    assert np.corrcoef(logs[1:], logs[:-1])[0, 1] == pytest.approx(0.9**6, abs=0.04)


def test_a_class_left_out_has_no_noise() -> None:
    draws = path(DemandNoise(Noise(volatility={"chat": 0.2}), NODES, CLASSES), 1, 5)
    assert (draws[:, :, 1] == 1).all()
    assert (draws[:, :, 0] != 1).all()


def test_numbers_of_the_spec_do_not_shift_the_streams() -> None:
    left = {}
    for persistence in (0.0, 0.9):
        common, own = streams(5)
        noise = DemandNoise(Noise(volatility={}, persistence=persistence), NODES, CLASSES)
        for _ in range(7):
            noise.step(common, own)
        left[persistence] = [stream.standard_normal() for stream in [common, *own]]
    assert left[0.0] == left[0.9]


def test_one_generator_a_node() -> None:
    common, own = streams(1)
    with pytest.raises(ValueError, match="one generator for each of 3 nodes; found 2"):
        DemandNoise(Noise(volatility={"chat": 0.1}), NODES, CLASSES).step(common, own[:2])


@settings(max_examples=30)
@given(
    volatility=st.floats(0, 1),
    persistence=st.floats(0, 0.999),
    common=st.floats(0, 1),
    hours=st.floats(0.1, 48),
    seed=st.integers(0, 2**32),
    before=st.integers(0, 5),
)
def test_it_goes_on_from_a_pickle_or_a_state(
    volatility: float, persistence: float, common: float, hours: float, seed: int, before: int
) -> None:
    spec = Noise(volatility={"chat": volatility, "image": 0.1}, persistence=persistence, common=common)
    noise = DemandNoise(spec, NODES, CLASSES, hours)
    path(noise, seed, before)
    pickled = pickle.loads(pickle.dumps(noise))
    restored = DemandNoise(spec, NODES, CLASSES, hours)
    restored.restore(noise.state())
    expected = path(noise, seed + 1, 3)
    assert np.isfinite(expected).all()
    assert (expected > 0).all()
    assert np.array_equal(path(pickled, seed + 1, 3), expected)
    assert np.array_equal(path(restored, seed + 1, 3), expected)


def test_a_scenario_makes_its_own(us5: Scenario) -> None:
    noisy = us5.override({"demand.noise": {"volatility": {"chat": 0.1}}, "hours": 0.5})
    common, own = streams(1, 5)
    assert noisy.compiled.demand_noise().step(common, own).shape == (5, 4)
    assert (us5.compiled.demand_noise().step(common, own) == 1).all()
