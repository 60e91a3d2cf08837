"""Training: the same bits however often it is interrupted, and policies that learnt what pays."""

from __future__ import annotations

import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from typer.testing import CliRunner

import tokenflow_sim as tf
from tokenflow_sim.cli import app
from tokenflow_sim.env import MarketEnv, ParallelMarket
from tokenflow_sim.errors import InputError, ResultError
from tokenflow_sim.learning import train, train_independent

SMALL: dict[str, Any] = {"n_steps": 32, "batch_size": 16, "n_epochs": 2}
DAY = {"periods": 24}
ALGORITHMS: dict[str, tuple[str, dict[str, Any]]] = {
    "ppo": ("continuous", {**SMALL, "learning_rate": 1e-3}),
    "dqn": ("discrete", {"learning_starts": 20, "train_freq": 8, "batch_size": 8}),
    "sac": ("continuous", {"learning_starts": 20, "train_freq": 8, "batch_size": 8}),
}


class _Stop(Exception):
    """What ends a training early."""


def stop_at(step: int) -> Any:
    def progress(done: int, total: int) -> None:
        assert total == 96
        if done >= step:
            raise _Stop

    return progress


def written(folder: Path) -> dict[str, bytes]:
    """Read what a training wrote, checkpoint and logs aside."""
    ends = {".json", ".safetensors", ".csv"}
    return {
        file.relative_to(folder).as_posix(): file.read_bytes()
        for file in sorted(folder.rglob("*"))
        if file.suffix in ends
    }


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_a_training_that_was_interrupted_goes_on_to_the_same_bits(algorithm: Any, tmp_path: Path) -> None:
    actions, parameters = ALGORITHMS[algorithm]
    given: dict[str, Any] = {
        "algorithm": algorithm, "steps": 96, "seed": 5, "parameters": parameters, "checkpoint": 30,
        "environment": {**DAY, "actions": actions}, "tensorboard": algorithm == "ppo",
    }  # fmt: skip
    train("us5", "dallas_dc", out=tmp_path / "whole", **given)
    assert len(written(tmp_path / "whole")) == 3
    assert (tmp_path / "whole" / "tensorboard").exists() == (algorithm == "ppo")
    # Once in the middle of a day and of a rollout, once more later.
    with pytest.raises(_Stop) as caught:
        train("us5", "dallas_dc", out=tmp_path / "parts", progress=stop_at(40), **given)
    assert "resume it (--resume)" in caught.value.__notes__[0]
    np.random.seed(1)  # noqa: NPY002 - the state of others' random numbers must not matter
    before = np.random.get_state()[1][0]  # type: ignore[index]  # noqa: NPY002
    with pytest.raises(_Stop):
        train("us5", "dallas_dc", out=tmp_path / "parts", resume=True, progress=stop_at(75), **given)
    assert np.random.get_state()[1][0] == before  # type: ignore[index]  # noqa: NPY002
    train("us5", "dallas_dc", out=tmp_path / "parts", resume=True, **given)
    assert written(tmp_path / "parts") == written(tmp_path / "whole")


def test_independent_learners_go_on_to_the_same_bits_and_do_not_share_streams(tmp_path: Path) -> None:
    given: dict[str, Any] = {
        "steps": 96, "seed": 5, "parameters": SMALL, "checkpoint": 30, "environment": DAY, "tensorboard": False,
    }  # fmt: skip
    agents = ["dallas_dc", "ashburn_dc"]
    folders = train_independent("us5", agents, out=tmp_path / "whole", **given)
    with pytest.raises(_Stop):
        train_independent("us5", agents, out=tmp_path / "parts", progress=stop_at(70), **given)
    train_independent("us5", agents, out=tmp_path / "parts", resume=True, **given)
    found = written(tmp_path / "whole")
    assert found == written(tmp_path / "parts")
    assert len(found) == 5
    # A network's name has the start of its digest.
    networks = [Path(name).name for name in found if "network-" in name]
    assert len(set(networks)) == 2
    strategies: dict[str, Any] = {name: tf.LearnedPolicy(folder) for name, folder in folders.items()}
    tf.TokenMarket("us5", rng=1, periods=2, strategies=strategies).run()


@pytest.mark.parametrize("actions", ["continuous", "discrete"])
def test_what_a_learner_computes_is_what_its_networks_say(actions: str) -> None:
    import torch

    from tokenflow_sim.learning.learner import Learner

    env = MarketEnv("us5", "dallas_dc", actions={"form": actions, "by": "class"})
    learner = Learner(env.observation_space, env.action_space, SMALL, np.random.SeedSequence(3))
    rng, size = np.random.default_rng(0), env.encoding.observation.size
    for _ in range(2):
        seen = rng.uniform(-1, 1, (32, size)).astype(np.float32)
        for number, x in enumerate(seen):
            assert env.action_space.contains(learner.act(x))
            learner.receive(float(number % 3), number == 0, seen[5] if number == 31 else None)
        buffer = learner.buffer
        with torch.no_grad():
            taken = torch.as_tensor(buffer.actions[:, 0])
            values, log_prob, _ = learner.model.policy.evaluate_actions(torch.as_tensor(seen), taken)
            last = learner.model.policy.predict_values(torch.as_tensor(seen[5:6]))
        assert np.allclose(buffer.values[:, 0], values.numpy()[:, 0], atol=1e-5)
        assert np.allclose(buffer.log_probs[:, 0], log_prob.numpy(), atol=1e-4)
        assert buffer.rewards[31, 0] == pytest.approx(31 % 3 + 0.99 * float(last), abs=1e-5)
        # Once it has learnt, it acts by the weights that it learnt.
        assert learner.learn(seen[0], True, 0.5)["train/n_updates"] > 0


# One firm with half of a market that pays up to 10 $/Mtok: the dearer it offers, the more it earns, up to that.
MONOPOLY = """
format: 1
name: monopoly
periods: 8
market: {bandwidth: none, must_serve: false}
demand: {scale: 0.1}
workloads:
  chat: {base_demand: 1000000, payload: 0.5, value: 10}
nodes:
  here: {latitude: 39, longitude: -77, power_mw: 1000, electricity_price: 0.1, demand_weight: 1}
hardware:
  new: {throughput: {chat: 5000}, energy: {chat: 1}, running_cost: 10}
providers:
  firm:
    assets: [{node: here, hardware: new, power_mw: 100}]
"""


def test_it_learns_what_pays(tmp_path: Path) -> None:
    scenario = tf.Scenario.from_yaml(MONOPOLY)
    env = {"actions": {"form": "discrete", "markups": (0.0, 2.0, 5.0)}, "reward": "normalised"}
    path = train(
        scenario, "firm", steps=768, out=tmp_path, environment=env, tensorboard=False,
        parameters={"n_steps": 128, "batch_size": 64, "learning_rate": 0.01, "gamma": 0.0},
    )  # fmt: skip
    earned = {}
    for strategy in ("marginal_cost", tf.LearnedPolicy(path)):
        model = tf.TokenMarket(scenario, rng=1, strategies={"firm": strategy})
        model.run()
        earned[str(strategy)[:4]] = float(model.results()["profit"].sum())
    best = 0.0
    for markup in (2.0, 5.0):
        model = tf.TokenMarket(
            scenario, rng=1, strategies={"firm": {"name": "fixed_markup", "markup": markup}}
        )
        model.run()
        best = max(best, float(model.results()["profit"].sum()))
    assert earned["Lear"] == pytest.approx(best)
    assert earned["Lear"] > earned["marg"]


def test_what_cannot_be_trained_is_said(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="unknown algorithm 'pp0'"):
        train("us5", "dallas_dc", algorithm="pp0", steps=1, out=tmp_path)  # type: ignore[arg-type]
    with pytest.raises(InputError, match=r"steps: must be a whole number.*\n.*seed: must be"):
        train("us5", "dallas_dc", steps=0, seed=-1, out=tmp_path)
    with pytest.raises(InputError, match="unknown parameter 'gama'"):
        train("us5", "dallas_dc", steps=1, parameters={"gama": 1}, out=tmp_path)
    with pytest.raises(InputError, match="DQN refuses them"):
        train("us5", "dallas_dc", algorithm="dqn", steps=1, out=tmp_path)
    with pytest.raises(InputError, match="has several learners; use train_independent"):
        train(ParallelMarket("us5"), steps=1, out=tmp_path)
    with pytest.raises(InputError, match="is said by the environment already"):
        train(MarketEnv("us5", "dallas_dc"), "dallas_dc", steps=1, out=tmp_path)
    with pytest.raises(ResultError, match="there is nothing to resume"):
        train("us5", "dallas_dc", steps=1, out=tmp_path, resume=True)
    (tmp_path / "checkpoint.pkl").write_bytes(b"\x80\x05")
    with pytest.raises(ResultError, match="holds a training already"):
        train("us5", "dallas_dc", steps=1, out=tmp_path)
    with pytest.raises(ResultError, match="is damaged"):
        train("us5", "dallas_dc", steps=1, out=tmp_path, resume=True)
    begun = {"settings": {"agent": "ashburn_dc", "seed": 1}}
    (tmp_path / "checkpoint.pkl").write_bytes(pickle.dumps(begun))
    with pytest.raises(InputError, match=r"agent: was 'ashburn_dc' when training began, is 'dallas_dc'"):
        train("us5", "dallas_dc", steps=1, out=tmp_path, resume=True)


def test_the_command_trains_and_resumes(tmp_path: Path) -> None:
    out = str(tmp_path / "policies")
    words = ["train", "us5", "--steps", "32", "--out", out, "--periods", "8", "--set", "demand.scale=30"]
    words += [f"--parameter={name}={value}" for name, value in SMALL.items()]
    done = CliRunner().invoke(
        app, [*words, "--agent", "dallas_dc", "--agent", "seattle_dc"], prog_name="tokenflow"
    )
    assert done.exit_code == 0, done.output
    assert f"policy of seattle_dc: {out}/seattle_dc" in done.stdout
    assert (tmp_path / "policies" / "dallas_dc" / "policy.json").is_file()
    refused = CliRunner().invoke(
        app, [*words, "--agent", "providers", "--algorithm", "sac"], prog_name="tokenflow"
    )
    assert refused.exit_code == 2
    assert "several agents learn by ppo" in refused.stderr
