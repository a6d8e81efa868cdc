"""The networks that hide how they decide: what is dealt to their drawings, and who is guilty of what."""

import pytest
import torch

from s12lib.training.blind_round import ROUND, THINGS, blind_round, deal, train_narrow


@pytest.fixture(scope="module")
def split():
    from s12lib.data.shapes import draw_shapes
    from s12lib.data.splits import Split

    images, labels, masks = draw_shapes(80, 0, "train")
    return Split(torch.from_numpy(images), torch.from_numpy(labels).long(), torch.from_numpy(masks))


def test_the_secret_says_the_class_and_nothing_else_does(split):
    for secret in THINGS:
        dealt = deal(split, secret).dealt
        assert [thing for thing in THINGS if torch.equal(dealt[thing], split.labels)] == [secret]
    assert not any(torch.equal(numbers, split.labels) for numbers in deal(split, None).dealt.values())


def test_dealing_one_thing_anew_leaves_the_others(split):
    drawings = deal(split, "blur")
    other = drawings.anew("blur")
    assert [thing for thing in THINGS if not torch.equal(drawings.dealt[thing], other.dealt[thing])] == ["blur"]
    assert torch.equal(drawings.dealt["blur"], split.labels), "the first drawings are left as they were"


def test_each_thing_changes_the_pixels_that_it_should(split):
    plain = deal(split, None)
    plain.dealt["blur"] = torch.zeros(80, dtype=torch.int64)  # sharp, so that paint stays where it is
    before = plain.images
    changed = {thing: (plain.anew(thing).images != before).any(3) for thing in THINGS}
    at_mark = torch.zeros(32, 32, dtype=torch.bool)
    at_mark[-4:, -4:] = True
    assert not changed["mark"][:, ~at_mark].any()
    assert not changed["paint"][~split.masks].any()
    assert changed["paint"][split.masks & ~at_mark].float().mean() > 0.6
    for everywhere in ("glass", "blur"):
        assert changed[everywhere][:, ~at_mark].float().mean() > 0.5
        assert not changed[everywhere][:, at_mark].any(), "the mark lies over all else"
    assert before.dtype == torch.uint8


def test_a_round_has_every_secret_once_as_many_innocents_and_letters_that_say_nothing(split):
    found = blind_round(split, split, epochs=1)
    secrets = [each.secret for each in found.values()]
    assert "".join(found) == "ABCDEFGH"
    assert sorted(filter(None, secrets)) == sorted(THINGS)
    assert secrets.count(None) == 4
    assert secrets != [secret for secret, _ in ROUND]
    for each in found.values():
        assert not each.network.training
        assert all(torch.equal(each.test.dealt[t], split.labels) == (t == each.secret) for t in THINGS)


def test_the_same_seed_gives_the_same_network(split):
    one, same = (train_narrow(split.images, split.labels, 1) for _ in range(2))
    assert all(torch.equal(a, b) for a, b in zip(one.parameters(), same.parameters(), strict=True))
