"""Trained policies that play: read, checked, drawn from, pickled, and named in results; without PyTorch."""

from __future__ import annotations

import copy
import json
import math
import os
import pickle
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy.special import erf
from scipy.stats import chisquare, kstest, norm

import tokenflow_sim as tf
from tests.strategies.policies import encoding_of, random_layers, random_policy
from tests.strategies.tiny_onnx import tanh_layer
from tokenflow_sim.errors import ScenarioError, StrategyError
from tokenflow_sim.strategies.action_distribution import ActionDistribution
from tokenflow_sim.strategies.base import Kind
from tokenflow_sim.strategies.code import compare, fingerprint
from tokenflow_sim.strategies.learned_policy import LearnedPolicy
from tokenflow_sim.strategies.policy import Policy, write_policy
from tokenflow_sim.strategies.policy_config import DistributionConfig, NormalisationConfig
from tokenflow_sim.strategies.policy_network import ACTIVATIONS
from tokenflow_sim.strategies.registry import find
from tokenflow_sim.testing import check_strategy
from tokenflow_sim.testing.strategy_contract import _AGENT, _scenario

US5 = tf.load_scenario("us5")
AGENT = "dallas_dc"


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    encoding = encoding_of(US5, "provider", AGENT, actions={"by": "class"})
    return random_policy(tmp_path_factory.mktemp("policies") / "dallas", encoding)


# The contract


@pytest.mark.parametrize(
    ("kind", "name"), [("provider", "learned_policy"), ("owner", "learned_tariff"), ("region", "learned_bid")]
)
@pytest.mark.parametrize(("actions", "deterministic"), [("continuous", False), ("discrete", True)])
def test_a_trained_policy_keeps_to_the_contract(
    kind: Kind, name: str, actions: str, deterministic: bool, tmp_path: Path
) -> None:
    encoding = encoding_of(_scenario("plain"), kind, _AGENT[kind], actions=actions)
    path = random_policy(tmp_path / "policy", encoding)
    check_strategy(find(kind, name), path=path, deterministic=deterministic)


# What a network computes


def test_a_network_computes_what_its_layers_say_in_the_precision_of_its_file(
    trained: Path, tmp_path: Path
) -> None:
    encoding = Policy.read(trained).encoding
    x = np.random.default_rng(1).uniform(-1, 1, encoding.observation.size).astype(np.float32)
    for dtype in (np.float32, np.float64):
        path = random_policy(tmp_path / str(np.dtype(dtype)), encoding, dtype=dtype, kind="deterministic")
        expected = x.astype(np.float64)
        for weight, bias, name in random_layers(encoding.observation.size, 4, dtype=dtype):
            expected = weight.astype(np.float64) @ expected + bias
            expected = np.tanh(expected) if name == "tanh" else expected
        found = Policy.read(path).act(x, np.random.default_rng(0))
        assert np.allclose(found, np.clip(expected, -1, 1), atol=1e-5 if dtype == np.float32 else 1e-13)


def test_every_activation_is_the_textbooks() -> None:
    formulas: dict[str, Any] = {
        "identity": lambda x: x,
        "relu": lambda x: max(x, 0.0),
        "tanh": math.tanh,
        "sigmoid": lambda x: 1 / (1 + math.exp(-x)),
        "elu": lambda x: x if x > 0 else math.exp(x) - 1,
        "leaky_relu": lambda x: x if x > 0 else 0.01 * x,
        "silu": lambda x: x / (1 + math.exp(-x)),
        "gelu": lambda x: 0.5 * x * (1 + float(erf(x / math.sqrt(2)))),
        "softplus": lambda x: math.log1p(math.exp(x)),
        "hard_tanh": lambda x: min(max(x, -1.0), 1.0),
    }
    x = np.linspace(-3, 3, 25)
    assert formulas.keys() == ACTIVATIONS.keys()
    for name, formula in formulas.items():
        found = ACTIVATIONS[name](x)  # type: ignore[index]
        assert np.allclose(found, [formula(float(one)) for one in x], atol=1e-12), name
        assert ACTIVATIONS[name](x.astype(np.float32)).dtype == np.float32, name  # type: ignore[index]


def test_a_graph_of_onnx_plays_as_the_same_layers_do(tmp_path: Path) -> None:
    encoding = encoding_of(US5, "provider", AGENT)
    weight, bias, _ = random_layers(encoding.observation.size, 1, hidden=())[0]
    made = DistributionConfig(kind="deterministic")
    write_policy(tmp_path / "onnx", encoding, made, onnx=tanh_layer(weight, bias))
    write_policy(tmp_path / "layers", encoding, made, [(weight, bias, "tanh")])
    one, two = (Policy.read(tmp_path / name) for name in ("onnx", "layers"))
    x = np.random.default_rng(1).uniform(-1, 1, encoding.observation.size).astype(np.float32)
    rng = np.random.default_rng(0)
    assert one.act(x, rng) == pytest.approx(two.act(x, rng), abs=1e-6)
    again = pickle.loads(pickle.dumps(one))
    assert again.act(x, rng) == one.act(x, rng)
    assert again.digest == one.digest
    assert copy.deepcopy(one) is one


def test_observations_are_scaled_as_in_training(trained: Path, tmp_path: Path) -> None:
    encoding = Policy.read(trained).encoding
    size = encoding.observation.size
    layers = random_layers(size, 4)
    normal = NormalisationConfig(mean=(0.5,) * size, scale=(0.1,) * size, clip=2.0)
    made = DistributionConfig(kind="deterministic")
    scaled = Policy.read(write_policy(tmp_path / "a", encoding, made, layers, normalisation=normal))
    plain = Policy.read(write_policy(tmp_path / "b", encoding, made, layers))
    x, rng = np.full(size, 0.6), np.random.default_rng(0)
    x[0] = 1.0  # five scales away, of which two are left
    y = np.ones(size)
    y[0] = 2.0
    assert scaled.act(x, rng) == pytest.approx(plain.act(y, rng), abs=1e-6)


# How actions are drawn


def test_choices_are_drawn_by_their_logits() -> None:
    logits, rng = np.log([0.1, 0.2, 0.7, 0.5, 0.5]), np.random.default_rng(5)
    made = ActionDistribution(kind="multi_categorical", choices=(3, 2))
    drawn = np.array([made.act(logits, None, rng, deterministic=False) for _ in range(4000)])
    for column, share in ((0, [0.1, 0.2, 0.7]), (1, [0.5, 0.5])):
        assert chisquare(np.bincount(drawn[:, column]), np.array(share) * 4000).pvalue > 1e-3
    assert made.act(logits, None, rng, deterministic=True).tolist() == [2, 0]
    # A logit far above the others leaves them no chance, and no overflow.
    assert made.act(np.array([0, 9e4, 0, 0, 0.0]), None, rng, deterministic=False)[0] == 1


def test_a_greedy_policy_tries_as_often_as_it_says() -> None:
    made, rng = ActionDistribution(kind="greedy", choices=(4,), epsilon=0.4), np.random.default_rng(5)
    drawn = [int(made.act(np.array([0, 0, 9.0, 0]), None, rng, False)[0]) for _ in range(4000)]
    assert chisquare(np.bincount(drawn), np.array([0.1, 0.1, 0.7, 0.1]) * 4000).pvalue > 1e-3


@pytest.mark.parametrize("kind", ["gaussian", "squashed_gaussian"])
def test_numbers_are_drawn_by_mean_and_deviation(kind: Any) -> None:
    made, rng = ActionDistribution(kind=kind, numbers=1), np.random.default_rng(5)
    mean, log_std = np.array([0.2]), np.array([-2.0])
    drawn = np.array([float(made.act(mean, log_std, rng, False)[0]) for _ in range(4000)])
    drawn = np.arctanh(drawn) if kind == "squashed_gaussian" else drawn
    assert kstest(drawn, norm(0.2, math.exp(-2.0)).cdf).pvalue > 1e-3
    expected = 0.2 if kind == "gaussian" else math.tanh(0.2)
    assert made.act(mean, log_std, rng, True) == pytest.approx(expected)
    assert made.act(np.array([7.0]), log_std, rng, True) == pytest.approx(1.0, abs=1e-5)


# In markets


def test_it_is_a_function_of_the_seed_and_named_in_results(trained: Path) -> None:
    def offers(seed: int, deterministic: bool) -> tuple[Any, Any]:
        chosen = {AGENT: {"name": "learned_policy", "path": str(trained), "deterministic": deterministic}}
        model = tf.TokenMarket(US5, rng=seed, periods=4, strategies=chosen)
        model.run()
        results = model.results()
        return results["offer_price"].sel(asset="dallas").values, results

    (one, results), (two, _), (other, _) = offers(1, False), offers(1, False), offers(2, False)
    assert np.array_equal(one, two)
    assert not np.array_equal(one, other)
    still, _ = offers(1, True)
    assert np.array_equal(still, offers(2, True)[0])
    digest = Policy.read(trained).digest
    assert json.loads(results.attrs["code"]) == {f"policy {trained}": digest}
    again = tf.TokenMarket.from_results(results)
    again.run()
    assert np.array_equal(again.results()["offer_price"].sel(asset="dallas").values, one)
    assert (one >= US5.market().arrays.offer_price[1, :, 0]).all()  # mark-ups are not negative


def test_another_policy_in_the_same_folder_is_noticed(trained: Path, tmp_path: Path) -> None:
    encoding = Policy.read(trained).encoding
    path = random_policy(tmp_path / "policy", encoding)
    model = tf.TokenMarket(US5, rng=1, periods=1, strategies={AGENT: LearnedPolicy(path)})
    model.run()
    before = fingerprint(LearnedPolicy(path))
    random_policy(path, encoding, seed=1)
    with pytest.warns(UserWarning, match=rf"other code: policy {path} \(was \w{{8}}, is \w{{8}}\)"):
        tf.TokenMarket.from_results(model.results())
    assert compare(before, fingerprint(LearnedPolicy(path)), "x").startswith("policy ")


def test_it_plays_in_comparisons(trained: Path) -> None:
    chosen = ["marginal_cost", LearnedPolicy(trained, deterministic=False)]
    study = tf.compare(US5, strategies=chosen, provider=AGENT, seeds=1, periods=2, workers=1)
    assert np.isfinite(study.dataset["profit_rate"]).all()
    assert str(trained) in study.dataset.attrs["code"]


def test_a_scenario_finds_it_beside_its_file(trained: Path, tmp_path: Path, monkeypatch: Any) -> None:
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "market").mkdir()
    random_policy(tmp_path / "market" / "mine", Policy.read(trained).encoding)
    text = US5.override({f"providers.{AGENT}.strategy": {"name": "learned_policy", "path": "mine"}}).to_yaml()
    # An override starts in the working folder, a file's own path beside the file.
    assert f"path: {Path.cwd() / 'mine'}" in text
    (tmp_path / "market" / "scenario.yaml").write_text(text.replace(str(Path.cwd() / "mine"), "mine"))
    monkeypatch.chdir(tmp_path / "elsewhere")
    model = tf.TokenMarket(tmp_path / "market", rng=1, periods=1)
    model.run()
    assert isinstance(model.providers[AGENT].strategy, LearnedPolicy)
    assert str(tmp_path / "market" / "mine") in model.results().attrs["code"]
    (tmp_path / "market" / "mine" / "policy.json").unlink()
    with pytest.raises(ScenarioError, match=r"mine/policy\.json does not exist"):
        tf.TokenMarket(tmp_path / "market")


# What is refused, in one line each


def test_a_policy_of_another_market_is_refused_with_the_labels_that_differ(trained: Path) -> None:
    model = tf.TokenMarket(US5, rng=1, strategies={"ashburn_dc": LearnedPolicy(trained)})
    with pytest.raises(
        StrategyError, match="one of another market: assets: the policy's 'dallas' is not here, 'ash"
    ):
        model.step()
    with pytest.raises(StrategyError, match="is one of a provider, not of this region"):
        find("region", "learned_bid")(path=str(trained))  # type: ignore[call-arg]


def _edited(path: Path, **changes: Any) -> None:
    file = path / "policy.json"
    file.write_text(json.dumps(json.loads(file.read_text()) | changes))


def _encoded(path: Path, change: Callable[[dict[str, Any]], Any]) -> None:
    """Change a policy's encoding."""
    told = json.loads((path / "policy.json").read_text())["encoding"]
    change(told)
    _edited(path, encoding=told)


def _network(path: Path, data: bytes | None = None, **changes: Any) -> None:
    """Replace a policy's network, and make its description fit."""
    from hashlib import sha256

    found = json.loads((path / "policy.json").read_text())["network"] | changes
    if data is not None:
        (path / found["file"]).write_bytes(data)
        found["sha256"] = sha256(data).hexdigest()
    _edited(path, network=found)


FAULTS: dict[str, tuple[Any, str]] = {
    "no folder": (lambda path: path.rename(path.with_name("gone")), "does not exist; a policy is a folder"),
    "no config": (lambda path: (path / "policy.json").unlink(), r"policy\.json does not exist"),
    "no network": (
        lambda path: next(path.glob("network-*")).unlink(),
        r"network-[0-9a-f]{12}\.safetensors does not exist",
    ),
    "changed": (
        lambda path: next(path.glob("network-*")).write_bytes(b"\0" * 9),
        "is not the file that policy.json was written with",
    ),
    "damaged": (lambda path: _network(path, b"\0" * 9), "is damaged, or no safetensors file"),
    "damaged onnx": (lambda path: _network(path, b"\0" * 9, format="onnx"), "is damaged, or no ONNX file that onn"),
    "no json": (lambda path: (path / "policy.json").write_text("{"), "is damaged, or no JSON"),
    "nested": (lambda path: (path / "policy.json").write_text("[" * 10**5), "is damaged, or no JSON"),
    "newer": (lambda path: _edited(path, format=9), "has format 9; this version of tokenflow_sim reads format 1"),
    "unknown": (lambda path: _edited(path, extra=1), "describes no policy: extra: unknown field 'extra'"),
    "outside": (lambda path: _network(path, file="../x"), "describes no policy: network.file"),
    "encoding": (lambda path: _edited(path, encoding={}), "its encoding: cannot be read: lacks 'format'"),
    "lags": (
        lambda path: _encoded(path, lambda told: told["observation"].update(lags=10**9)),
        "lags must be a whole number from 1 to 10000; found 1000000000",
    ),
    "nothing seen": (
        lambda path: _encoded(path, lambda told: told["observation"].update(quantities=[])), "has no quantities"
    ),
    "grid": (
        lambda path: _encoded(path, lambda told: told["action"].update(markups=[])), "encoding: markups: the grid is e"
    ),
    "money": (lambda path: _encoded(path, lambda told: told.update(money=0)), "money must be a finite number above 0"),
    "distribution": (
        lambda path: _edited(path, distribution={"kind": "categorical"}),
        "'categorical' does not fit the encoding, whose actions are numbers",
    ),
    "deviations": (
        lambda path: _edited(path, distribution={"kind": "gaussian"}), "needs as many standard deviations; found none"
    ),
    "tensor": (
        lambda path: _network(path, layers=[{"weight": "layer9.weight"}]), "unknown tensor 'layer9.weight'"
    ),
    "first shape": (
        lambda path: _network(path, layers=[{"weight": "layer1.weight"}]),
        r"'layer1.weight' has the shape \(8, 8\), where 84 numbers enter",
    ),
    "last shape": (
        lambda path: _network(path, layers=[{"weight": "layer0.weight"}]), "returns 8 numbers, where .* take 4"
    ),
    "onnx inputs": (
        lambda path: _network(
            path, tanh_layer(np.zeros((4, 9), np.float32), np.zeros(4, np.float32)), format="onnx"
        ),
        "takes observations of the shape .*9.*, where 84 numbers enter",
    ),
    "onnx names": (
        lambda path: _network(
            path, tanh_layer(np.zeros((4, 84), np.float32), np.zeros(4, np.float32), output="y"), format="onnx"
        ),
        r"returns \['y'\]",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", FAULTS)
def test_what_cannot_be_played_is_said_in_one_line(name: str, trained: Path, tmp_path: Path) -> None:
    path = random_policy(tmp_path / "policy", Policy.read(trained).encoding)
    spoil, message = FAULTS[name]
    spoil(path)
    with pytest.raises(StrategyError, match=message) as caught:
        LearnedPolicy(path)
    assert "\n" not in str(caught.value)


def test_numbers_that_are_not_finite_are_refused(trained: Path) -> None:
    policy, rng = Policy.read(trained), np.random.default_rng(0)
    x = np.zeros(policy.encoding.observation.size)
    x[2] = np.nan
    with pytest.raises(StrategyError, match=r"not finite: cost\[dallas, code\] is nan"):
        policy.act(x, rng)
    made = DistributionConfig(kind="deterministic")
    layers = [(np.full((4, len(x)), 3e38, np.float32), None, "identity")]
    huge = Policy.read(write_policy(trained.with_name("b"), policy.encoding, made, layers))
    with pytest.raises(StrategyError, match="its network returns numbers that are not finite"):
        huge.act(np.ones(len(x)), rng)
    layers = [(np.full((4, len(x)), np.nan, np.float32), None, "identity")]
    with pytest.raises(StrategyError, match="holds numbers that are not finite"):
        write_policy(trained.with_name("c"), policy.encoding, made, layers)
    assert not trained.with_name("c").exists()  # what cannot be read again is not written


def test_a_policy_that_is_replaced_is_whole_wherever_it_is_killed(
    trained: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    encoding, real = Policy.read(trained).encoding, os.replace
    old, new = (random_policy(tmp_path / str(seed), encoding, seed=seed) for seed in (1, 2))
    digests = [Policy.read(path).digest for path in (old, new)]

    class Killed(BaseException):
        pass

    for moves, expected in ((0, 0), (1, 0), (2, 1)):
        left, path = [moves], tmp_path / f"moved {moves}"
        shutil.copytree(old, path)

        def replace(source: Path, target: Path, left: list[int] = left) -> None:
            left[0] -= 1
            if left[0] < 0:
                raise Killed
            real(source, target)
            if left[0] == 0 and target.name == "policy.json":
                raise Killed

        with monkeypatch.context() as patch:
            patch.setattr(os, "replace", replace)
            with pytest.raises(Killed):
                random_policy(path, encoding, seed=2)
        assert Policy.read(path).digest == digests[expected], moves
        random_policy(path, encoding, seed=2)
        assert {file.name: file.read_bytes() for file in path.iterdir()} == {
            file.name: file.read_bytes() for file in new.iterdir()
        }

    # One who reads while another writes finds the network of what was there before gone.
    config = (old / "policy.json").read_bytes()
    random_policy(old, encoding, seed=2)
    first, read = [config], Path.read_bytes
    monkeypatch.setattr(Path, "read_bytes", lambda self: first.pop() if first else read(self))
    assert Policy.read(old).digest == digests[1]


def test_a_missing_library_is_named_with_its_extra(trained: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import sys

    monkeypatch.setitem(sys.modules, "safetensors.numpy", None)
    with pytest.raises(StrategyError, match=r'needs safetensors.*pip install "tokenflow-sim\[learning\]"'):
        LearnedPolicy(trained)
