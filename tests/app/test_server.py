from __future__ import annotations

from pathlib import Path

import ipyvuetify as vuetify
import pytest
import solara
from mesa.visualization import Slider, SolaraViz, make_plot_component

import tokenflow_sim as tf
from tokenflow_sim.app import server
from tokenflow_sim.errors import ResultError


@pytest.fixture
def assets(tmp_path: Path) -> server.LocalAssets:
    for version in ("5.1.0", "5.1.1", "6.0.0"):
        file = tmp_path / "@widgetti" / f"app@{version}" / "dist" / "main.js"
        file.parent.mkdir(parents=True)
        file.touch()
    return server.LocalAssets(lambda *_: None, tmp_path)


@pytest.mark.parametrize(
    ("asked", "given"),
    [
        ("@widgetti/app@5.1.0/dist/main.js", "@widgetti/app@5.1.0/dist/main.js"),
        ("@widgetti/app@5.2.0/dist/main.js", "@widgetti/app@5.1.1/dist/main.js"),
        ("@widgetti/app@7.0.0/dist/main.js", "@widgetti/app@7.0.0/dist/main.js"),
        ("@widgetti/app@5.2.0/dist/other.js", "@widgetti/app@5.2.0/dist/other.js"),
        ("@widgetti/app@5.2.0/../../../etc/passwd", "@widgetti/app@5.2.0/../../../etc/passwd"),
        ("vue@5.2.0/main.js", "vue@5.2.0/main.js"),
        ("no version", "no version"),
    ],
)
def test_assets_are_served_in_the_version_that_is_installed(
    assets: server.LocalAssets, asked: str, given: str
) -> None:
    assert assets.installed(asked) == given


def test_a_missing_extra_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    def nothing(name: str) -> None:
        raise ModuleNotFoundError(name=name.partition(".")[0])

    monkeypatch.setattr(server, "import_module", nothing)
    with pytest.raises(ResultError, match=r'needs solara, .* pip install "tokenflow-sim\[app\]"'):
        server.Server("us5", 0)


@pytest.mark.long
def test_mesas_own_page_takes_the_model() -> None:
    model = solara.reactive(tf.TokenMarket("us5", rng=1, periods=4))
    first = model.value
    parameters = {
        "scenario": "us5",
        "rng": {"type": "InputText", "value": "7", "label": "Seed"},
        "periods": 4,
        "demand.scale": Slider("Demand scale", 35.0, 10.0, 40.0, 1.0),
    }

    @solara.component
    def Page() -> None:
        with solara.AppLayout():
            SolaraViz(model, components=[make_plot_component("mean_price_chat")], model_params=parameters)

    _, rendered = solara.render(Page(), handle_error=False)

    def press(label: str) -> None:
        buttons = rendered.find(vuetify.Btn).widgets
        next(item for item in buttons if item.children and item.children[-1] == label).click()

    press("Step")
    assert model.value.period == 1
    slider = next(item for item in rendered.find(vuetify.Slider).widgets if item.label == "Demand scale")
    slider.v_model = 20
    press("Reset")
    assert model.value is not first
    assert model.value.settings.demand.scale == 20
    press("Step")
    assert model.value.period == 1
    assert (model.value.results().demand < first.results().demand).all()
    rendered.close()
