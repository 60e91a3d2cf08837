"""The page in a real browser that reaches nothing but this computer."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Locator, Page, expect

import tokenflow_sim as tf
from tests.app.browser import PATIENCE, Tab, chromium, tab
from tokenflow_sim.app.server import Server

pytestmark = [pytest.mark.browser, pytest.mark.long]
expect.set_options(timeout=PATIENCE)

# Three hubs in a row, two competitors at the cheap end: quick, and every setting moves a price.
TEXT = """
format: 1
name: row
description: Three hubs in a row
periods: 12
market: {bandwidth: token_equivalent, must_serve: false}
demand: {scale: 1.0}
workloads:
  chat: {base_demand: 1000000, payload: 1, latency_limit: 50, value: 20}
  image: {base_demand: 100000, payload: 10, value: 50}
nodes:
  ashburn: {latitude: 39.0, longitude: -77.5, power_mw: 12, electricity_price: 0.05, demand_weight: 1.0, tier1: true}
  dallas: {latitude: 32.8, longitude: -96.8, power_mw: 6, electricity_price: 0.12, demand_weight: 1.0, tier1: true}
  seattle: {latitude: 47.2, longitude: -119.9, power_mw: 6, electricity_price: 0.2, demand_weight: 1.0}
network: {max_distance: 3000, capacity: 0.4, tier1: {capacity: 0.3}, tariff: 0.01, km_per_ms: 200, hop_latency: 5}
hardware:
  fleet: {throughput: {chat: 200000, image: 20000}, energy: {chat: 1, image: 10}}
providers:
  ant: {assets: [{name: one, node: ashburn, hardware: fleet, share: 1}]}
  bee: {assets: [{name: two, node: dallas, hardware: fleet, share: 1}]}
  cat: {assets: [{name: three, node: seattle, hardware: fleet, share: 1}]}
"""


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    chromium()
    file = tmp_path_factory.mktemp("row") / "scenario.yaml"
    file.write_text(TEXT)
    running = Server(str(file), 0)
    until = time.monotonic() + 120
    while not running.is_up and time.monotonic() < until:
        time.sleep(0.1)
    assert running.is_up
    yield running
    running.stop()


@pytest.fixture(scope="module")
def opened(server: Server) -> Iterator[Tab]:
    with tab() as one:
        one.page.goto(server.url)
        expect(one.page.locator("[data-node=dallas]")).to_be_visible()
        yield one


@pytest.fixture
def page(opened: Tab) -> Iterator[Page]:
    """Give the page, at the start of a run, and check afterwards that nothing went wrong in it."""
    restart(opened)
    yield opened.page
    opened.check()


def button(page: Page, name: str) -> Locator:
    return page.get_by_role("button", name=name, exact=True)


def status(page: Page, text: str) -> None:
    expect(page.get_by_role("status")).to_contain_text(text)


def restart(opened: Tab) -> None:
    opened.press("Reset")
    status(opened.page, "ready, 0 of")


def pick(opened: Tab, label: str, option: str) -> None:
    page = opened.page
    page.locator(".v-select", has=page.get_by_text(label, exact=True)).last.click()
    page.get_by_role("option", name=option, exact=True).or_(
        page.locator(".v-overlay--active .v-list-item", has_text=option)
    ).first.click()
    opened.settle()


def unfold(page: Page, title: str) -> None:
    head = page.locator("button.v-expansion-panel-title", has_text=title)
    if head.get_attribute("aria-expanded") != "true":
        head.click()


def price(opened: Tab, node: str = "dallas", workload: str = "chat") -> float:
    """Return the price of a class at a node after one step from the start."""
    page = opened.page
    restart(opened)
    opened.press("Step")
    status(page, "stopped, 1 of")
    page.locator(f"[data-node={node}] circle").click()
    opened.settle()
    expect(page.locator(".tf-parts p")).to_contain_text(node)
    row = page.locator(".tf-parts tr", has=page.get_by_role("rowheader", name=workload))
    return float(row.locator(".tf-price").inner_text())


def test_it_runs_to_the_end_and_shows_what_happened(page: Page, opened: Tab) -> None:
    opened.press("Start")
    status(page, "done, 12 of 12 periods")
    model = tf.TokenMarket(tf.Scenario.from_yaml(TEXT), rng=1)
    model.run()
    paid = float(model.results().payment.sum())
    number, unit = page.locator("[data-figure='Demand pays'] .tf-number").inner_text().split()
    assert float(number) * {"k$": 1e3, "M$": 1e6}[unit] == pytest.approx(paid, rel=1e-3)
    expect(page.locator("figure.tf-chart")).to_have_count(5)
    assert page.locator("figure.tf-chart svg path").count() >= 10
    expect(button(page, "Start")).to_be_disabled()


def test_it_stops_and_goes_on_and_answers_meanwhile(page: Page, opened: Tab) -> None:
    opened.type("Periods", "60")  # a second each
    pick(opened, "Pause a period", "1 s")
    opened.press("Start")
    status(page, "running")
    page.locator("[data-node=seattle] circle").click()
    expect(page.locator(".tf-parts p")).to_contain_text("seattle")
    page.get_by_role("button", name="image").click()
    expect(page.locator(".tf-legend")).to_contain_text("price of image")
    status(page, "running")
    opened.press("Stop")
    status(page, "stopped")
    pick(opened, "Pause a period", "none")
    opened.press("Start")
    status(page, "done, 60 of 60")
    opened.type("Periods", "12")


def test_resets_do_no_harm(page: Page, opened: Tab) -> None:
    before = price(opened)
    for _ in range(4):
        opened.press("Start")
        restart(opened)
    assert price(opened) == before


def test_every_setting_moves_the_market(page: Page, opened: Tab) -> None:
    first = price(opened)
    opened.type("Demand scale", "1.3")
    opened.type("Seed", "4")
    assert price(opened) != first
    opened.type("Demand scale", "1")
    assert price(opened) == first

    unfold(page, "Link capacities")
    opened.type("Tier-1 backbone [GB/s]", "5")
    cheaper = price(opened)
    assert cheaper < first
    unfold(page, "Latency limits")
    opened.type("chat [ms]", "1")  # too far from the cheap hub now
    assert price(opened) > cheaper
    opened.type("chat [ms]", "50")
    opened.type("Tier-1 backbone [GB/s]", "0.3")
    pick(opened, "One link", "dallas->ashburn")
    opened.type("dallas->ashburn, empty: by rule [GB/s]", "5")
    assert price(opened) != first
    opened.type("dallas->ashburn, empty: by rule [GB/s]", "")
    assert price(opened) == first  # all of these undone

    unfold(page, "Any other value")
    page.get_by_label("path = value, one a line").fill("nodes.dallas.electricity_price = 0.9")
    page.get_by_label("path = value, one a line").blur()
    opened.settle()
    assert price(opened, "dallas") != first
    page.get_by_label("path = value, one a line").fill("")
    page.get_by_label("path = value, one a line").blur()
    opened.settle()
    assert price(opened) == first


def test_a_providers_strategy_and_its_parameters_move_prices(page: Page, opened: Tab) -> None:
    first = price(opened)
    pick(opened, "Provider", "bee")
    pick(opened, "Strategy of bee", "fixed_markup")
    opened.type("markup", "1.0")
    expect(page.get_by_text("Changed: bee plays fixed_markup")).to_be_visible()
    assert price(opened) > first
    pick(opened, "Strategy of bee", "marginal_cost")
    assert price(opened) == first


def test_a_bad_value_is_answered_beside_its_field_and_can_be_mended(page: Page, opened: Tab) -> None:
    opened.type("Demand scale", "a lot")
    field = page.locator(".v-input", has=page.get_by_label("Demand scale", exact=True))
    expect(field).to_contain_text("number")
    expect(button(page, "Reset")).to_be_disabled()
    opened.type("Demand scale", "1")
    expect(field).not_to_contain_text("number")
    expect(button(page, "Reset")).to_be_enabled()


def test_two_variants_stand_side_by_side(page: Page, opened: Tab) -> None:
    page.get_by_label("Two variants").click()
    opened.settle()
    for name in ("A", "B"):
        opened.press(f"Variant {name}")
        expect(page.get_by_text(f"Scenario of {name}", exact=True).first).to_be_visible()
        field = page.get_by_label("Demand scale", exact=True)
        expect(field).to_have_count(1)
        box, tabs = field.bounding_box(), page.get_by_role("button", name=f"Variant {name}").bounding_box()
        assert box is not None
        assert tabs is not None
        # In full, below the choice of the variant.
        assert box["width"] > 100
        assert box["height"] > 10
        assert box["y"] > tabs["y"] + tabs["height"]
    opened.type("Demand scale", "1.3")
    status(page, "B: ready, 0 of 12")
    opened.press("Start")
    status(page, "A: done, 12 of 12")
    status(page, "B: done, 12 of 12")
    expect(page.locator("[data-side]")).to_have_count(2)
    row = page.locator(".tf-table tr", has_text="Demand pays").locator("td")
    expect(row).to_have_count(3)
    assert row.nth(0).inner_text() != row.nth(1).inner_text()
    page.get_by_label("Two variants").click()
    opened.settle()
    expect(page.locator("[data-side]")).to_have_count(1)
    expect(page.get_by_text("Scenario of the run", exact=True).first).to_be_visible()


def test_the_run_its_report_and_the_scenario_are_saved(page: Page, opened: Tab, tmp_path: Path) -> None:
    opened.type("Demand scale", "1.2")
    restart(opened)
    opened.press("Start")
    status(page, "done, 12 of 12")
    for name, file in (("Scenario", "row.yaml"), ("Run", "row.nc")):
        with page.expect_download() as download:
            page.get_by_role("button", name=name, exact=True).click()
        assert download.value.suggested_filename == file
        download.value.save_as(tmp_path / file)
    scenario = tf.load_scenario(tmp_path / "row.yaml")
    assert scenario.demand.scale == 1.2
    model = tf.TokenMarket(scenario, rng=1)
    model.run()
    with tf.load_results(tmp_path / "row.nc") as saved:
        assert saved.payment.equals(model.results().payment)
    opened.type("Demand scale", "1")
