"""What explain.comparison promises: the table of methods and layers, each number that of its measures."""

import numpy as np
import pytest
import torch
from narrow_network import NarrowResNet, lively

from s12lib.cli import main
from s12lib.data.shapes import draw_shapes
from s12lib.explain import LAYERS, comparison, gradcam, gradcams
from s12lib.explain.comparison import (
    PLACES,
    baseline_scores,
    coarse_mask_scores,
    localization_scores,
    table_lines,
)
from s12lib.explain.intervals import format_interval
from s12lib.explain.localization import energy_in_mask, pointing_game

IMAGES, _, MASKS = draw_shapes(6, 0, "test")
METHODS = ("gradcam", "eigencam", "random")


def test_each_score_is_that_of_its_method_and_layer():
    network = lively(NarrowResNet())
    found = localization_scores(network, IMAGES, MASKS, ("layer2", "layer3"), METHODS)
    assert list(found) == [(method, layer) for layer in ("layer2", "layer3") for method in METHODS]
    for (method, layer), score in found.items():
        maps = gradcam(network, IMAGES, layer=layer, method=method)
        torch.testing.assert_close(score.energy, energy_in_mask(maps, MASKS))
        torch.testing.assert_close(score.pointing, pointing_game(maps, MASKS))


def test_places_are_those_of_the_layers():
    network = lively(NarrowResNet())
    assert tuple(PLACES) == LAYERS
    for layer, places in PLACES.items():
        assert gradcam(network, IMAGES[:1], layer=layer, raw=True).shape == (1, places, places)


def test_the_mask_has_the_less_energy_on_itself_the_fewer_places_there_are_to_tell_it():
    coarse = coarse_mask_scores(MASKS)
    energies = [coarse[layer].energy.mean().item() for layer in LAYERS]
    assert energies == sorted(energies, reverse=True)
    assert torch.equal(coarse["prep"].energy, torch.ones(6))
    assert torch.equal(coarse["prep"].pointing, torch.ones(6))


def test_the_mask_at_layer3_is_told_in_sixteen_numbers():
    mask = np.zeros((1, 32, 32), bool)
    mask[0, 8:16, 16:24] = True  # exactly one of the 4 × 4 places
    score = coarse_mask_scores(mask)["layer3"]
    assert score.pointing.item() == 1
    assert score.energy.item() == pytest.approx((6 / 8) ** 2)  # a tent of two places' width: 6 of its 8 units inside


def test_baselines_have_not_seen_the_images():
    found = baseline_scores(MASKS)
    assert list(found) == ["random map", "centred Gaussian"]
    assert all(score.energy.shape == score.pointing.shape == (6,) for score in found.values())


def test_a_table_has_a_line_a_method_and_a_column_a_layer():
    found = localization_scores(lively(NarrowResNet()), IMAGES, MASKS, ("layer2", "layer3"), METHODS)
    head, *lines = table_lines(found, "pointing")
    assert head.split() == ["pointing", "layer2", "layer3"]
    assert [line.split()[0] for line in lines] == list(METHODS)
    assert lines[1].split()[4:] == format_interval(found["eigencam", "layer3"].pointing).split()


def test_a_cell_is_the_mean_in_per_cent_and_half_the_interval():
    mean, _, half = format_interval(torch.cat([torch.zeros(50), torch.ones(50)])).split()
    assert mean == "50.0"
    assert float(half) == pytest.approx(100 * 1.96 * 0.05, abs=0.5)


def test_the_command_prints_both_networks_and_all_baselines(monkeypatch, capsys):
    monkeypatch.setattr(comparison, "load_pretrained", lambda name: lively(NarrowResNet()))
    main(["compare", "--count", "4"])
    out = capsys.readouterr().out
    for words in (
        "Shapes, the first 4 test images",
        "random map",
        "centred Gaussian",
        "the mask at layer3",
        "the trained network\nenergy",
        "the trained network\npointing",
        "an untrained network\nenergy",
    ):
        assert words in out


def test_several_methods_in_one_pass_give_the_maps_of_one_at_a_time():
    network = lively(NarrowResNet())
    for layer in LAYERS:
        for name, maps in gradcams(network, IMAGES, layer=layer, raw=True).items():
            assert torch.equal(maps, gradcam(network, IMAGES, layer=layer, method=name, raw=True)), (layer, name)


@pytest.mark.parametrize("methods", [(), ("gradcam", "scorecam"), "gradcam"])
def test_unknown_methods_are_refused_with_the_names_of_all(methods):
    with pytest.raises(ValueError, match="methods must be some of gradcam"):
        gradcams(lively(NarrowResNet()), IMAGES, methods=methods)
