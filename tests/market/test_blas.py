"""Linear algebra is held to one thread while markets are cleared, and given back afterwards."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from threadpoolctl import threadpool_info, threadpool_limits

import tokenflow_sim as tf
from tokenflow_sim.market.blas import one_thread


def threads() -> list[int]:
    return [library["num_threads"] for library in threadpool_info() if library["user_api"] == "blas"]


@pytest.fixture
def two_threads() -> Iterator[None]:
    with threadpool_limits(limits=2, user_api="blas"):
        yield


@pytest.mark.usefixtures("two_threads")
class TestOneThread:
    def test_holds_and_restores(self) -> None:
        assert set(threads()) == {2}
        with one_thread():
            assert set(threads()) == {1}
            with one_thread():
                assert set(threads()) == {1}
            assert set(threads()) == {1}
        assert set(threads()) == {2}

    def test_restores_after_an_error(self) -> None:
        with pytest.raises(KeyError), one_thread():
            raise KeyError
        assert set(threads()) == {2}

    def test_holds_numpy_and_scipy_alike(self) -> None:
        assert len(threads()) >= 2

    def test_during_a_run_and_not_after_it(self) -> None:
        seen = []

        class Watch(tf.Strategy):
            """Offer at cost, and note how many threads linear algebra has."""

            def offer(self, view: tf.View) -> tf.Offer:
                seen.extend(threads())
                return tf.Offer(price=view.cost, quantity=view.capacity)

        tf.TokenMarket("us5", rng=1, periods=2, strategies={"dallas_dc": Watch}).run()
        assert set(seen) == {1}
        assert set(threads()) == {2}

    def test_the_same_bits_with_more_threads(self) -> None:
        market = tf.load_scenario("us20_oligopoly").market(20)
        held = tf.clear(market)
        with threadpool_limits(limits=1, user_api="blas"):
            alone = tf.clear(market)
        assert held.price.equals(alone.price)
        assert held.dispatch.equals(alone.dispatch)
