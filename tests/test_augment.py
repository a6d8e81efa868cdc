"""Normalisation, crop, flip and cutout do what they say, and every batch follows from seed and epoch alone."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn import functional as F

from s12lib.data.augment import Augmentation, crop_and_flip, cutout, multicrop, reflect
from s12lib.data.loader import BatchLoader, EpochSampler
from s12lib.data.pixels import MEAN, STD, normalize

COUNT = 90_000  # draws for the statistics: five standard deviations are then about 1% of a fair coin


def random_images(count: int, seed: int = 0) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randint(0, 256, (count, 32, 32, 3), dtype=torch.uint8, generator=generator)


def loader(count: int = 40, batch_size: int = 8, seed: int = 0, epoch: int = 0, **augmentation) -> BatchLoader:
    """A training loader over random images that are labelled with their own index."""
    made = BatchLoader(random_images(count), torch.arange(count), batch_size, Augmentation(**augmentation), seed)
    made.sampler.set_epoch(epoch)
    return made


def same_batches(one: BatchLoader, other: BatchLoader) -> bool:
    pairs = list(zip(one, other, strict=True))
    return all(torch.equal(a, b) for batches in pairs for a, b in zip(*batches, strict=True))


# ---- normalize -------------------------------------------------------------------------------------------------------


def test_mean_and_std_are_those_of_the_real_training_set(real_cifar10):
    sums, squares = np.zeros(3), np.zeros(3)
    with np.load(real_cifar10) as file:
        images = file["train_images"].reshape(100, -1, 3)
    for chunk in images:
        sums += chunk.sum(axis=0, dtype=np.int64)
        squares += np.square(chunk, dtype=np.int32).sum(axis=0, dtype=np.int64)
    pixels = images.size / 3
    mean = sums / pixels
    np.testing.assert_allclose(mean / 255, MEAN, rtol=0, atol=1e-4)
    np.testing.assert_allclose(np.sqrt(squares / pixels - mean**2) / 255, STD, rtol=0, atol=1e-4)


def test_normalize_scales_to_unit_range_subtracts_the_mean_and_divides_by_the_std():
    images = random_images(5)
    by_hand = (images.numpy().astype(np.float64) / 255 - MEAN) / STD
    np.testing.assert_allclose(normalize(images).numpy(), by_hand.transpose(0, 3, 1, 2), atol=1e-5)


def test_normalize_gives_channels_first_float32_in_channels_last_memory():
    images = normalize(random_images(5))
    assert images.shape == (5, 3, 32, 32)
    assert images.dtype == torch.float32
    assert images.is_contiguous(memory_format=torch.channels_last)


def test_normalize_treats_arrays_tensors_and_single_images_alike():
    images = random_images(3)
    expected = normalize(images)
    assert torch.equal(normalize(images.numpy()), expected)
    assert torch.equal(torch.cat([normalize(image) for image in images]), expected)
    assert normalize(images[:0]).shape == (0, 3, 32, 32)


def test_normalize_takes_mirrored_and_read_only_arrays_in_silence(recwarn):
    images = np.arange(2 * 32 * 32 * 3, dtype=np.uint32).reshape(2, 32, 32, 3).astype(np.uint8)
    mirrored = normalize(images[:, :, ::-1])
    images.setflags(write=False)
    assert torch.equal(normalize(images).flip(3), mirrored)
    assert not recwarn.list


def test_normalize_leaves_its_input_alone():
    images = random_images(2)
    before = images.clone()
    normalize(images).zero_()
    normalize(images.numpy()).zero_()
    assert torch.equal(images, before)


@pytest.mark.parametrize(
    "images", [torch.rand(2, 32, 32, 3), np.zeros((2, 32, 32, 3), np.int64), np.zeros((32, 32, 3))]
)
def test_normalize_refuses_images_that_are_not_uint8(images):
    with pytest.raises(TypeError, match="must be uint8 with values 0 to 255, but their type is"):
        normalize(images)


@pytest.mark.parametrize("shape", [(2, 3, 32, 32), (32, 32), (2, 28, 28, 3), (32, 32, 4), (1, 2, 32, 32, 3), (0,)])
def test_normalize_refuses_images_of_another_shape(shape):
    with pytest.raises(ValueError, match=r"must have shape \(N, 32, 32, 3\)"):
        normalize(np.zeros(shape, np.uint8))


def test_training_and_evaluation_normalize_alike():
    """Without crop, flip and cutout, a training batch is what ``normalize`` makes of its images."""
    train = loader(crop=0, flip="none")
    for images, labels in train:
        assert torch.equal(images, normalize(train.images[labels]))


# ---- crop, flip, cutout ----------------------------------------------------------------------------------------------


def padded_crop(image: torch.Tensor, shift: tuple[int, int], flip: bool, pad: int) -> torch.Tensor:
    """The textbook's way: reflect-pad all around, cut the shifted window out, mirror it."""
    height, width, _ = image.shape
    padded = F.pad(image.permute(2, 0, 1)[None].double(), [pad] * 4, mode="reflect")[0]
    down, right = shift
    window = padded[:, pad + down : pad + down + height, pad + right : pad + right + width]
    return (window.flip(2) if flip else window).permute(1, 2, 0).to(image.dtype)


def test_crop_and_flip_is_reflect_padding_cropping_and_mirroring_at_every_shift_by_up_to_four():
    cases = [(down, right, flip) for down in range(-4, 5) for right in range(-4, 5) for flip in (False, True)]
    images = random_images(len(cases))
    moved = crop_and_flip(images, torch.tensor([case[:2] for case in cases]), torch.tensor([case[2] for case in cases]))
    for image, result, (down, right, flip) in zip(images, moved, cases, strict=True):
        assert torch.equal(result, padded_crop(image, (down, right), flip, pad=4))
    assert torch.equal(images, random_images(len(cases))), "the originals stay as they are"


@settings(max_examples=60)
@given(st.data(), st.integers(2, 9), st.integers(2, 9), st.booleans())
def test_crop_and_flip_holds_for_every_size_and_the_farthest_shifts(data, height, width, flip):
    shift = data.draw(st.tuples(st.integers(1 - height, height - 1), st.integers(1 - width, width - 1)))
    image = torch.arange(height * width * 3).reshape(height, width, 3)
    moved = crop_and_flip(image[None], torch.tensor([shift]), torch.tensor([flip]))[0]
    down, right = shift
    # numpy pads any axis by its own size - 1, where torch wants one number for both here
    padded = np.pad(image.numpy(), ((height - 1,) * 2, (width - 1,) * 2, (0, 0)), mode="reflect")
    window = padded[height - 1 + down :][:height, width - 1 + right :][:, :width]
    assert np.array_equal(moved.numpy(), window[:, ::-1] if flip else window)


def test_reflect_does_not_repeat_the_edge():
    assert reflect(torch.arange(-3, 7), 4).tolist() == [3, 2, 1, 0, 1, 2, 3, 2, 1, 0]


@pytest.mark.parametrize("size", [0, 1, 8, 32])
def test_cutout_blackens_one_square_of_that_size_and_nothing_else(size):
    images = torch.randn(3, 3, 32, 32) + 10
    before = images.clone()
    corners = torch.tensor([[0, 0], [32 - size, 32 - size], [(32 - size) // 2, (32 - size) // 3]])
    cut = cutout(images, corners, size)
    for image, (row, column) in zip(before, corners.tolist(), strict=True):
        image[:, row : row + size, column : column + size] = 0
    assert torch.equal(cut, before)
    assert (images != 0).all(), "the originals stay as they are"


def test_a_batch_is_its_images_with_the_epochs_draw():
    augmentation = Augmentation(crop=4, flip="random", cutout=8)
    train = loader(seed=3, epoch=2, crop=4, flip="random", cutout=8)
    shift, flip, corner = augmentation.draw(40, 3, 2)
    for images, labels in train:
        moved = crop_and_flip(train.images[labels], shift[labels], flip[labels])
        assert torch.equal(images, cutout(normalize(moved), corner[labels], 8))


# ---- statistics ------------------------------------------------------------------------------------------------------


def assert_uniform(values: torch.Tensor, first: int, last: int) -> None:
    """Each whole number from ``first`` to ``last`` comes as often as the others, within five standard deviations."""
    assert values.min() == first
    assert values.max() == last
    expected = len(values) / (last - first + 1)
    assert (torch.bincount(values - first) - expected).abs().max() < 5 * expected**0.5


def test_shifts_are_uniform_and_rows_know_nothing_of_columns():
    shift, _, _ = Augmentation(crop=4).draw(COUNT, 0, 0)
    assert_uniform(shift[:, 0], -4, 4)
    assert_uniform(shift[:, 1], -4, 4)
    assert_uniform(shift[:, 0] * 9 + shift[:, 1], -40, 40)


def test_cutouts_lie_everywhere_inside_the_image_alike():
    _, _, corner = Augmentation(cutout=8).draw(COUNT, 0, 0)
    assert_uniform(corner[:, 0] * 25 + corner[:, 1], 0, 624)


@pytest.mark.parametrize("flip", ["alternating", "random"])
def test_half_of_the_images_are_mirrored_whatever_their_shift(flip):
    shift, mirrored, _ = Augmentation(crop=4, flip=flip).draw(COUNT, 0, 0)
    assert_uniform(shift[:, 0] * 2 + mirrored, -8, 9)
    assert_uniform(shift[:, 1] * 2 + mirrored, -8, 9)


def test_no_crop_and_no_flip_leave_every_image_in_its_place():
    shift, mirrored, _ = Augmentation(crop=0, flip="none").draw(1000, 0, 0)
    assert not shift.any()
    assert not mirrored.any()


def test_a_random_flip_is_a_new_coin_in_each_epoch():
    first, second = (Augmentation(flip="random").draw(COUNT, 0, epoch)[1] for epoch in (0, 1))
    assert_uniform(first * 2 + second.long(), 0, 3)


@pytest.mark.parametrize("epoch", [0, 1, 2, 7])
def test_an_alternating_flip_shows_every_image_once_each_way_in_two_epochs(epoch):
    seen = [{}, {}]
    for views, e in zip(seen, (epoch, epoch + 1), strict=True):
        for images, labels in loader(epoch=e, crop=0, flip="alternating"):
            views |= dict(zip(labels.tolist(), images, strict=True))
    plain = normalize(random_images(40))
    for label in range(40):
        as_it_is = [torch.equal(views[label], plain[label]) for views in seen]
        mirrored = [torch.equal(views[label], plain[label].flip(2)) for views in seen]
        assert sorted(as_it_is) == sorted(mirrored) == [False, True]
        assert as_it_is != mirrored


@pytest.mark.parametrize(
    ("field", "value"), [("flip", "sometimes"), ("crop", -1), ("crop", 32), ("cutout", -1), ("cutout", 33)]
)
def test_an_impossible_augmentation_is_refused_by_name(field, value):
    with pytest.raises(ValueError, match=f"{field}.*{value}"):
        Augmentation(**{field: value})


# ---- the same from the same seed -------------------------------------------------------------------------------------


def test_the_same_seed_and_epoch_give_the_same_batches():
    assert same_batches(loader(seed=1, epoch=4, cutout=8), loader(seed=1, epoch=4, cutout=8))


def test_a_loader_that_starts_in_epoch_three_gives_what_one_that_went_through_the_others_gives():
    one = loader()
    for epoch in range(3):
        one.sampler.set_epoch(epoch)
        assert sum(1 for _ in one) == 5
    one.sampler.set_epoch(3)
    assert same_batches(one, loader(epoch=3))


def test_global_randomness_changes_nothing():
    torch.manual_seed(1)
    first = list(loader(cutout=8))
    torch.manual_seed(2)
    assert all(torch.equal(a[0], b[0]) for a, b in zip(first, loader(cutout=8), strict=True))


@pytest.mark.parametrize(("seed", "epoch"), [(1, 0), (0, 1), (1, 1), (0, 2)])
def test_another_seed_or_epoch_gives_another_order_and_other_crops(seed, epoch):
    first, other = loader(), loader(seed=seed, epoch=epoch)
    assert torch.cat(list(first.sampler)).tolist() != torch.cat(list(other.sampler)).tolist()
    shifts = [Augmentation().draw(40, s, e)[0] for s, e in ((0, 0), (seed, epoch))]
    assert not torch.equal(*shifts)


# ---- who sees what, on one device and on several ---------------------------------------------------------------------


def samplers(count: int, batch_size: int, world_size: int, training: bool, epoch: int = 0) -> list[EpochSampler]:
    """The samplers of all devices of one run."""
    made = [EpochSampler(count, batch_size, 0, training, rank, world_size) for rank in range(world_size)]
    for sampler in made:
        sampler.set_epoch(epoch)
    return made


@settings(max_examples=80)
@given(st.integers(1, 200), st.integers(1, 20), st.integers(1, 3), st.integers(0, 5))
def test_training_shows_no_image_twice_and_every_device_takes_equally_many_full_batches(count, batch, world, epoch):
    if count < batch * world:
        with pytest.raises(ValueError, match=f"{count} training images do not fill one batch of {batch}"):
            EpochSampler(count, batch, 0, True, 0, world)
        return
    ranks = samplers(count, batch, world, True, epoch)
    batches = [list(sampler) for sampler in ranks]
    assert [len(b) for b in batches] == [len(sampler) for sampler in ranks] == [count // (batch * world)] * world
    assert {len(index) for rank in batches for index in rank} == {batch}
    seen = torch.cat([index for rank in batches for index in rank]).tolist()
    assert len(set(seen)) == len(seen)
    assert set(seen) <= set(range(count))
    assert count - len(seen) < batch * world


@settings(max_examples=80)
@given(st.integers(1, 200), st.integers(1, 20), st.integers(1, 3))
def test_evaluation_shows_every_image_once_in_equally_many_batches_a_device(count, batch, world):
    ranks = samplers(count, batch, world, False)
    batches = [list(sampler) for sampler in ranks]
    assert [len(b) for b in batches] == [len(sampler) for sampler in ranks]
    assert len({len(b) for b in batches}) == 1
    assert max(len(index) for rank in batches for index in rank) <= batch
    seen = torch.cat([index for rank in batches for index in rank]).tolist()
    assert sorted(seen) == list(range(count))
    assert world > 1 or seen == sorted(seen)


def test_the_images_that_sit_out_are_others_in_another_epoch():
    left_out = []
    for epoch in range(3):
        seen = torch.cat([index for sampler in samplers(50, 8, 2, True, epoch) for index in sampler])
        left_out.append(set(range(50)) - set(seen.tolist()))
    assert [len(images) for images in left_out] == [2, 2, 2]
    assert len(set.union(*left_out)) > 2


def test_a_global_batch_holds_the_same_images_on_one_device_as_on_two():
    one = [set(index.tolist()) for index in samplers(50, 16, 1, True)[0]]
    two = [set(torch.cat(pair).tolist()) for pair in zip(*samplers(50, 8, 2, True), strict=True)]
    assert one == two


def test_evaluation_goes_through_all_images_in_order_and_as_they_are():
    images = random_images(21)
    whole = BatchLoader(images, torch.arange(21), batch_size=8)
    batches = list(whole)
    assert len(batches) == len(whole) == 3
    assert torch.cat([labels for _, labels in batches]).tolist() == list(range(21))
    assert torch.equal(torch.cat([batch for batch, _ in batches]), normalize(images))


@pytest.mark.skipif(not torch.cuda.is_available(), reason="on a GPU (a CUDA device is needed)")
def test_a_batch_is_the_same_on_a_gpu():
    images, labels = random_images(32), torch.arange(32)
    policy = Augmentation(crop=4, flip="alternating", cutout=8)
    (batch, order), (on_gpu, order_there) = (
        next(iter(BatchLoader(images.to(place), labels.to(place), 16, policy, seed=1))) for place in ("cpu", "cuda")
    )
    assert torch.equal(order, order_there.cpu())
    torch.testing.assert_close(on_gpu.cpu(), batch, rtol=0, atol=1e-5)


def test_jitter_is_drawn_for_each_image_and_epoch_within_its_bounds_and_leaves_the_other_draws_alone():
    plain, jittery = Augmentation(), Augmentation(brightness=0.14, contrast=0.13)
    assert all(torch.equal(a, b) for a, b in zip(plain.draw(COUNT, 3, 1), jittery.draw(COUNT, 3, 1), strict=True))
    brighter, contrast = jittery.draw_jitter(COUNT, 3, 1)
    assert brighter.abs().max() <= 0.14
    assert brighter.std().item() == pytest.approx(0.14 / 3**0.5, rel=0.05)
    assert (contrast - 1).abs().max() <= 0.13
    assert contrast.mean().item() == pytest.approx(1, abs=0.01)
    assert not torch.equal(brighter, jittery.draw_jitter(COUNT, 3, 2)[0])
    assert torch.equal(brighter, jittery.draw_jitter(COUNT, 3, 1)[0])


def test_a_jittered_batch_is_the_plain_one_brightened_and_then_stretched():
    images, labels = torch.randint(0, 256, (8, 32, 32, 3), dtype=torch.uint8), torch.arange(8)
    jittery = Augmentation(brightness=0.5, contrast=0.5)
    [(plain, order)] = BatchLoader(images, labels, 8, Augmentation())
    [(found, same)] = BatchLoader(images, labels, 8, jittery)
    assert torch.equal(order, same)
    brighter, contrast = (drawn[order] for drawn in jittery.draw_jitter(8, 0, 0))
    for k in range(8):
        torch.testing.assert_close(found[k], (plain[k] + brighter[k]) * contrast[k])
    assert not torch.allclose(found, plain, atol=0.1)


@pytest.mark.parametrize("fields", [{"brightness": -0.1}, {"contrast": 1.0}, {"brightness": float("nan")}])
def test_a_jitter_that_cannot_be_is_refused(fields):
    with pytest.raises(ValueError, match="brightness must be 0 or more and contrast at least 0 and below 1"):
        Augmentation(**fields)


def test_multicrop_shifts_by_one_pixel_and_fills_by_reflection():
    images = torch.arange(2 * 3 * 4 * 4.0).reshape(2, 3, 4, 4)
    centre, up_left, down_right = multicrop(images)
    assert torch.equal(centre, images)
    assert torch.equal(up_left[..., :-1, :-1], images[..., 1:, 1:])
    assert torch.equal(up_left[..., -1, :-1], images[..., 2, 1:])
    assert torch.equal(down_right[..., 1:, 1:], images[..., :-1, :-1])
    assert torch.equal(down_right[..., 1:, 0], images[..., :-1, 1])
