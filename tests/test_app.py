"""The app's parts without its server: what is checked, what is shown, and how it is started."""

import os
import re
import subprocess
import sys
from ast import literal_eval
from html import escape
from importlib import import_module
from types import ModuleType

import matplotlib
import numpy as np
import pytest
from running_app import free_port

from s12lib.app import server
from s12lib.app.answers import ALL_LAYERS, APP_METHODS, PREDICTED, Expert, RequestError, whole_number
from s12lib.app.colours import heat_colours
from s12lib.app.examples import recorded
from s12lib.app.familiarity import UNFAMILIAR
from s12lib.app.render import (
    CSS,
    LAYER_NAMES,
    answers_html,
    card_html,
    examples_html,
    mistakes_html,
    with_heat,
    with_links,
)
from s12lib.data.shapes import SHAPE_CLASSES, draw_shapes
from s12lib.explain import gradcam
from s12lib.explain.inputs import LAYERS
from s12lib.explain.methods import METHODS
from s12lib.weights.pretrained import load_card


@pytest.fixture(scope="module")
def expert() -> Expert:
    return Expert("page_resnet_shapes")


@pytest.fixture(scope="module")
def images() -> np.ndarray:
    return draw_shapes(2, 0, "test")[0]


def test_the_methods_offered_are_three_that_the_course_knows():
    assert len(set(APP_METHODS)) == 3
    assert set(APP_METHODS) <= set(METHODS)


def test_the_expert_knows_the_classes_of_its_own_weights(expert, images):
    assert expert.classes == SHAPE_CLASSES
    settings = expert.settings(10, "layer1", "gradcam", "heart", 0.5)
    for answer in expert.answers(["a", "b"], images, settings):
        assert {name for name, _ in answer.top} == set(SHAPE_CLASSES)
        assert [p for _, p in answer.top] == sorted((p for _, p in answer.top), reverse=True)
        assert answer.target == "heart"


def test_without_a_wish_the_predicted_class_is_explained(expert, images):
    settings = expert.settings(1, "layer3", "gradcam", PREDICTED, 0.5)
    for answer in expert.answers(["a", "b"], images, settings):
        assert answer.target == answer.top[0][0]


def test_a_whole_number_may_come_as_a_float_and_nothing_else_may():
    assert whole_number(3.0, 1, 10, "k") == 3
    for wrong in (0, 11, 2.5, "3", None, True, float("inf"), [3]):
        with pytest.raises(RequestError, match="k must be a whole number from 1 to 10"):
            whole_number(wrong, 1, 10, "k")


@pytest.mark.parametrize(("opacity", "expected"), [(0, "picture"), (1, "heat")])
def test_opacity_leads_from_the_image_to_the_heat_alone(images, opacity, expected):
    heat = np.linspace(0, 1, 32 * 32, dtype=np.float32).reshape(32, 32)
    shown = with_heat(images[0], heat, opacity, 32)
    only_heat = with_heat(np.zeros_like(images[0]), heat, 1, 32)
    assert (shown == (images[0] if expected == "picture" else only_heat)).all()
    assert len(np.unique(only_heat.reshape(-1, 3), axis=0)) > 200


def test_an_answer_is_readable_without_eyes_and_its_name_cannot_break_out(expert, images):
    settings = expert.settings(2, "layer3", "gradcam", PREDICTED, 0.5)
    html = answers_html(expert.answers(["<script>alert('x')</script>", "b"], images, settings), settings)
    assert "<script" not in html
    assert html.count("<article") == 2
    alts = re.findall(r'<img src="data:image/png;base64,[^"]+" alt="([^"]+)"', html)
    assert len(alts) == 4
    assert any("evidence for" in alt and "last layer" in alt for alt in alts)
    assert html.count('<th scope="row">') == 4


def test_the_explained_class_is_listed_also_where_it_is_unlikely(expert, images):
    unlikely = min(
        expert.answers(["a"], images[:1], expert.settings(10, "layer3", "gradcam", PREDICTED, 0.5))[0].top,
        key=lambda row: row[1],
    )
    settings = expert.settings(2, "layer3", "gradcam", unlikely[0], 0.5)
    (answer,) = expert.answers(["a"], images[:1], settings)
    html = answers_html([answer], settings)
    assert html.count("data-class=") == 3
    assert f'data-class="{unlikely[0]}" aria-pressed="true"' in html
    assert answer.plain()["target_probability"] == pytest.approx(unlikely[1])


def test_all_layers_are_shown_side_by_side_on_request(expert, images):
    settings = expert.settings(1, ALL_LAYERS, "gradcam", PREDICTED, 0.5)
    (answer,) = expert.answers(["a"], images[:1], settings)
    assert tuple(answer.heats) == LAYERS
    html = answers_html([answer], settings)
    assert all(name in html for name in LAYER_NAMES.values())
    for layer, heat in answer.heats.items():
        expected = gradcam(expert.network, images[:1], expert.classes.index(answer.target), layer)[0].numpy()
        np.testing.assert_allclose(heat, expected, atol=1e-5)


def test_only_what_is_unfamiliar_is_warned_of(expert, images):
    from dataclasses import replace

    settings = expert.settings(1, "layer3", "gradcam", PREDICTED, 0.5)
    (answer,) = expert.answers(["a"], images[:1], settings)
    for familiar, warned in ((True, False), (None, False), (False, True)):
        html = answers_html([replace(answer, familiar=familiar)], settings)
        assert (UNFAMILIAR in html) is warned


def test_a_map_without_evidence_is_said_to_be_empty(expert, images):
    from dataclasses import replace

    settings = expert.settings(1, "layer3", "gradcam", PREDICTED, 0.5)
    (answer,) = expert.answers(["a"], images[:1], settings)
    assert "nothing speaks for" in answers_html([replace(answer, heats={"layer3": np.zeros((32, 32))})], settings)


@pytest.mark.parametrize("layer", ["layer3", "layer2", ALL_LAYERS])
def test_an_answer_with_its_heatmap_costs_one_forward_pass_and_is_gradcams(expert, images, layer):
    settings, passed = expert.settings(3, layer, "gradcam", PREDICTED, 0.6), []
    hook = expert.network.layer1.register_forward_hook(lambda _layer, inputs, _output: passed.append(len(inputs[0])))
    (answer,) = expert.answers(["a"], images[:1], settings)
    hook.remove()
    assert passed == [1]
    shown = list(answer.heats)[-1]
    np.testing.assert_allclose(answer.heat, gradcam(expert.network, images[:1], layer=shown)[0].numpy(), atol=1e-5)


def test_the_card_shows_the_measured_accuracies_and_what_is_unknown():
    card = load_card()
    html = card_html(card, ("cat", "dog"), [])
    assert f"{card['test_accuracy']:.2%}" in html
    assert f"{card['test_accuracy_tta']:.2%}" in html
    bare = {**card, "test_accuracy": None, "test_accuracy_tta": None}
    bare.pop("familiarity", None)
    html = card_html(bare, ("cat", "dog"), [])
    assert "has not been measured" in html
    assert "warns of no image" in html


def test_the_card_tells_what_the_threshold_was_chosen_on():
    card = load_card("page_resnet_shapes")
    old = {
        "score": "energy", "threshold": 3.0, "warned": {"validation": 0.05, "test": 0.07},
        "validation": {"dataset": "Shapes", "images": 60, "seen_in_training": True},
    }  # fmt: skip
    assert "which the network was trained on" in card_html(card | {"familiarity": old}, SHAPE_CLASSES, [])
    new = old | {
        "chosen_on": {"dataset": "Shapes", "split": "test, half", "images": 60, "seen_in_training": False},
        "warned_and_right": 0.57,
    }  # fmt: skip
    html = card_html(card | {"familiarity": new}, SHAPE_CLASSES, [])
    assert "60 images of Shapes (test, half), which the network had not seen" in html
    assert "57.0\xa0% are rightly answered" in html


def test_examples_and_mistakes_are_told_in_words():
    examples, mistakes = recorded(load_card())
    table = examples_html(examples)
    assert all(example.shows in table and example.verdict in table for example in examples)
    for with_maps in (False, True):
        html = mistakes_html(mistakes[:3], with_maps)
        for mistake in mistakes[:3]:
            assert escape(mistake.told) in html
            assert f"CIFAR-10 test image {mistake.index}" in html
            assert (f"evidence for {mistake.truth}" in html) is with_maps
        assert html.count("data:image/png") == (9 if with_maps else 3)
    assert "nothing is claimed" in examples_html(recorded({"sha256": ""})[0])


def test_addresses_on_the_card_are_links():
    html = with_links("by vultilion, CC BY 2.0, https://example.org/a/1/, reduced (see http://b.org/x).")
    assert 'href="https://example.org/a/1/"' in html
    assert '<a href="http://b.org/x" rel="noreferrer">http://b.org/x</a>)' in html


def test_nothing_in_the_style_is_fetched():
    assert "url(" not in CSS
    assert "@import" not in CSS


HEAVY = ("gradio", "matplotlib", "pandas", "pytorch_grad_cam", "scipy", "sklearn", "torchvision")


def test_nothing_is_loaded_that_takes_long_before_the_app_is_built_nor_what_a_space_does_without():
    script = (
        "import sys, s12lib.app, s12lib.app.answers, s12lib.app.decoding, s12lib.app.render,"
        f"s12lib.app.uploads, s12lib.commands.app; print(sorted(set({HEAVY}) & set(sys.modules)))"
    )
    run = subprocess.run([sys.executable, "-c", script], check=True, env=os.environ, capture_output=True, text=True)
    assert run.stdout.strip() == "[]"


def test_the_heats_colours_are_matplotlibs():
    steps = np.linspace(0, 1, 1000, dtype=np.float32)
    expected = matplotlib.colormaps["inferno"](steps)[:, :3] * 255
    assert np.abs(heat_colours(steps) - expected).max() <= 0.5 + 1e-6


def test_what_gradio_need_not_import_is_imported_when_it_is_used(monkeypatch, tmp_path):
    monkeypatch.syspath_prepend(tmp_path)
    (tmp_path / "pandas.py").write_text("answer = 42")
    for name in ("pandas", "IPython"):
        monkeypatch.delitem(sys.modules, name, raising=False)
    with server.leaving_out():
        stand_in = import_module("pandas")
        assert isinstance(stand_in, server.StandIn)
        with pytest.raises(ModuleNotFoundError):
            import_module("IPython")
    assert not {"pandas", "IPython"} & set(sys.modules)
    assert stand_in.answer == 42
    monkeypatch.delitem(sys.modules, "pandas")


def test_what_is_loaded_already_stays(monkeypatch):
    here = ModuleType("pandas")
    monkeypatch.setitem(sys.modules, "pandas", here)
    with server.leaving_out():
        assert sys.modules["pandas"] is here
    assert sys.modules["pandas"] is here


SERVED_WHILE_NOTING_EVERY_HOST = """
import socket

hosts, look_up = set(), socket.getaddrinfo

def noted(host, *arguments, **options):
    hosts.add(str(host))
    return look_up(host, *arguments, **options)

socket.getaddrinfo = noted
connect = socket.socket.connect

def connected(self, address):
    hosts.add(str(address[0]))
    return connect(self, address)

socket.socket.connect = connected
import time
import urllib.request
from s12lib.app import launch

address = launch({port}, wait=False)
urllib.request.build_opener(urllib.request.ProxyHandler({{}})).open(address).read()
time.sleep(3)
print(sorted(hosts))
"""


@pytest.mark.slow
def test_the_server_asks_no_other_host_for_anything():
    environment = {key: value for key, value in os.environ.items() if "proxy" not in key.lower()}
    script = SERVED_WHILE_NOTING_EVERY_HOST.format(port=free_port())
    run = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True, env=environment)
    assert set(literal_eval(run.stdout.splitlines()[-1])) <= {"127.0.0.1", "localhost", "::1", "None"}


def test_without_gradio_one_sentence_says_how_to_get_it(monkeypatch):
    monkeypatch.setitem(sys.modules, "gradio", None)
    monkeypatch.delitem(sys.modules, "s12lib.app.page", raising=False)
    with pytest.raises(server.AppError, match=r"needs the package gradio: `pip install 's12lib\[app\]'`"):
        server.build_app("page_resnet_shapes")


def test_an_unknown_name_of_weights_is_refused():
    with pytest.raises(ValueError, match="must be one of page_resnet_cifar10, page_resnet_shapes"):
        server.build_app("resnet50")
