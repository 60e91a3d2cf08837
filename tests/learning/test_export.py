"""What is exported acts as what was trained: on the same observations, and with the same distribution."""

from __future__ import annotations

import copy
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from gymnasium.wrappers import RescaleAction

import tokenflow_sim as tf
from tokenflow_sim.env import MarketEnv
from tokenflow_sim.errors import StrategyError
from tokenflow_sim.learning import export_policy
from tokenflow_sim.strategies.encoding import Encoding
from tokenflow_sim.strategies.policy import Policy

US5 = tf.load_scenario("us5")
ENVIRONMENTS: dict[str, dict[str, Any]] = {
    "numbers": {"actions": {"by": "class"}},
    "choice": {"actions": "discrete"},
    "choices": {"actions": {"form": "discrete", "by": "class", "markups": (0.0, 0.5)}},
}
MODELS = [
    ("PPO", "numbers", {}),
    ("PPO", "choice", {}),
    ("PPO", "choices", {}),
    ("A2C", "numbers", {"policy_kwargs": {"net_arch": [5]}}),
    ("DQN", "choice", {"buffer_size": 10}),
    ("SAC", "numbers", {"buffer_size": 10}),
    ("SAC", "numbers", {"buffer_size": 10, "policy_kwargs": {"net_arch": []}}),
    ("TD3", "numbers", {"buffer_size": 10}),
]
_made: dict[str, MarketEnv] = {}


def environment(name: str) -> MarketEnv:
    if name not in _made:
        _made[name] = MarketEnv(US5, "dallas_dc", **ENVIRONMENTS[name])
    return _made[name]


def observations(encoding: Encoding, count: int = 20) -> Any:
    rng = np.random.default_rng(1)
    return rng.uniform(encoding.observation.low, 1.0, (count, encoding.observation.size)).astype(np.float32)


@pytest.mark.parametrize(
    ("algorithm", "actions", "given", "format"),
    # A graph takes seconds to export: one with a spread and one without stand for all.
    [*((*model, "safetensors") for model in MODELS), (*MODELS[1], "onnx"), (*MODELS[5], "onnx")],
)
def test_a_model_of_stable_baselines_acts_alike(
    algorithm: str, actions: str, given: dict[str, Any], format: Any, tmp_path: Path
) -> None:
    import stable_baselines3

    env = environment(actions)
    model = getattr(stable_baselines3, algorithm)("MlpPolicy", env, seed=1, device="cpu", **given)
    policy = Policy.read(export_policy(model, tmp_path / "policy", format=format))
    assert policy.encoding.difference(env.encoding) == ""
    rng = np.random.default_rng(0)
    for x in observations(env.encoding):
        expected, _ = model.predict(x, deterministic=True)
        assert policy.act(x, rng) == pytest.approx(expected, abs=1e-5)


def test_what_is_drawn_has_the_distribution_of_the_model(tmp_path: Path) -> None:
    import stable_baselines3
    import torch

    env = environment("numbers")
    for algorithm in ("PPO", "SAC"):
        given = {"buffer_size": 10} if algorithm == "SAC" else {}
        model = getattr(stable_baselines3, algorithm)("MlpPolicy", env, seed=1, device="cpu", **given)
        policy = Policy.read(export_policy(model, tmp_path / algorithm))
        x, rng = observations(env.encoding, 1), np.random.default_rng(0)
        drawn = np.array([policy.act(x[0], rng, deterministic=False) for _ in range(3000)])
        torch.manual_seed(0)
        expected, _ = model.predict(np.repeat(x, 3000, axis=0))
        error = math.sqrt(2.0 / 3000)
        assert np.abs(drawn.mean(0) - expected.mean(0)).max() < 4 * error
        assert np.abs(drawn.std(0) - expected.std(0)).max() < 4 * error


def test_normalised_observations_are_exported_with_the_model(tmp_path: Path) -> None:
    from stable_baselines3 import PPO
    from stable_baselines3.common.vec_env import DummyVecEnv, VecNormalize

    env = environment("numbers")
    wrapped = VecNormalize(DummyVecEnv([lambda: env]), norm_reward=False)
    x, rng = observations(env.encoding), np.random.default_rng(0)
    wrapped.obs_rms.update(3 * x + 1)
    model = PPO("MlpPolicy", wrapped, seed=1, device="cpu")
    policy = Policy.read(export_policy(model, tmp_path / "policy"))
    for one in x:
        expected, _ = model.predict(wrapped.normalize_obs(one), deterministic=True)
        assert policy.act(one, rng) == pytest.approx(expected, abs=1e-5)


def test_a_module_acts_alike_in_both_formats_and_both_precisions(tmp_path: Path) -> None:
    import torch
    from torch import nn

    torch.manual_seed(3)
    encoding = environment("numbers").encoding
    size = encoding.observation.size
    ends = [nn.SiLU, nn.GELU, nn.ELU, nn.LeakyReLU, nn.Softplus, nn.Sigmoid, nn.Hardtanh, nn.ReLU]
    layers: list[Any] = [nn.Flatten()]
    for activation in ends:
        layers += [nn.Linear(size, 16), activation(), nn.Dropout(0.5)]
        size = 16
    module = nn.Sequential(*layers, nn.Sequential(nn.Linear(16, 4), nn.Tanh())).eval()
    x = observations(encoding)
    for double in (False, True):
        module = module.double() if double else module
        with torch.no_grad():
            expected = module(torch.as_tensor(x, dtype=torch.float64 if double else torch.float32)).numpy()
        # onnxruntime has no doubles for some activations.
        for format in ("safetensors",) if double else ("safetensors", "onnx"):
            path = export_policy(module, tmp_path / f"{format}{double}", encoding=encoding, format=format)
            policy = Policy.read(path)
            found = [policy.act(one, np.random.default_rng(0)) for one in x]
            assert np.allclose(found, expected, atol=1e-12 if double else 1e-5)
    # NumPy has no bfloat16; single precision holds its numbers, as it does those of half.
    for precision in (torch.float16, torch.bfloat16):
        narrow = copy.deepcopy(module).to(precision)
        policy = Policy.read(export_policy(narrow, tmp_path / "narrow", encoding=encoding))
        with torch.no_grad():
            wanted = narrow.float()(torch.as_tensor(x, dtype=torch.float32)).numpy()
        assert np.allclose([policy.act(one, np.random.default_rng(0)) for one in x], wanted, atol=1e-5)
    # Parts that are no layers of a perceptron have to be a graph.
    other = nn.Sequential(nn.LayerNorm(encoding.observation.size), nn.Linear(encoding.observation.size, 4))
    with pytest.raises(StrategyError, match=r"LayerNorm cannot be written as layers .* format='onnx'"):
        export_policy(other, tmp_path / "x", encoding=encoding)
    policy = Policy.read(
        export_policy(other, tmp_path / "norm", encoding=encoding, format="onnx", distribution="gaussian",
                      log_std=[-1.0] * 4)
    )  # fmt: skip
    with torch.no_grad():
        wanted = other(torch.as_tensor(x)).clamp(-1, 1).numpy()
    assert np.allclose([policy.act(one, np.random.default_rng(0)) for one in x], wanted, atol=1e-5)


def test_what_cannot_be_exported_is_said_in_one_line(tmp_path: Path) -> None:
    from stable_baselines3 import PPO
    from torch import nn

    encoding = environment("numbers").encoding
    module = nn.Sequential(nn.Linear(encoding.observation.size, 3))
    with pytest.raises(StrategyError, match="give encoding="):
        export_policy(module, tmp_path / "x")
    with pytest.raises(StrategyError, match=r"returns 3 numbers, where .* take 4"):
        export_policy(module, tmp_path / "x", encoding=encoding)
    with pytest.raises(StrategyError, match="unknown format 'pickle'"):
        export_policy(module, tmp_path / "x", encoding=encoding, format="pickle")  # type: ignore[arg-type]
    with pytest.raises(StrategyError, match="object cannot be exported; known: modules of PyTorch, and PPO"):
        export_policy(object(), tmp_path / "x", encoding=encoding)
    with pytest.raises(StrategyError, match="train without it"):
        export_policy(PPO("MlpPolicy", environment("numbers"), use_sde=True, device="cpu"), tmp_path / "x")
    scaled = RescaleAction(environment("numbers"), 0.0, 1.0)
    with pytest.raises(
        StrategyError, match=r"trained with actions of Box\(0.0, 1.0, .* encoding has Box\(-1.0, 1.0"
    ):
        export_policy(PPO("MlpPolicy", scaled, device="cpu"), tmp_path / "x")
    assert not (tmp_path / "x").exists()
