"""The exercises of lesson 01: statistics, crop, split, and the upload that was normalised by itself."""

from typing import Any

import numpy as np
import torch
from torch.nn import functional as F

from s12lib.data.pixels import MEAN, STD, normalize
from s12lib.exercises.elsewhere import same_elsewhere
from s12lib.exercises.expect import DARK, Mistake, call, close, pair, tensor
from s12lib.exercises.judging import Exercise


def channel_statistics(images: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Mean and standard deviation of each channel, in [0, 1] units: ``(N, H, W, 3)`` uint8 → ``(3,), (3,)``."""
    pixels = images.float() / 255
    return pixels.mean(dim=(0, 1, 2)), pixels.std(dim=(0, 1, 2))


def _judge_statistics(answer: Any) -> None:
    generator = torch.Generator().manual_seed(1)
    brightness = torch.randint(0, 110, (7000, 1, 1, 3), generator=generator)  # images differ as much as pixels do
    noise = torch.rand(7000, 3, 4, 3, generator=generator) * torch.tensor([30, 60, 100])
    many = (brightness + noise + 10 * torch.arange(4)[:, None]).to(torch.uint8)  # and places differ, too
    _compare_statistics(many.double() / 255, *_statistics(answer, many))
    one = torch.randint(0, 256, (1, 40, 50, 3), generator=generator).to(torch.uint8)
    _compare_statistics(one.double() / 255, *_statistics(answer, one))
    dark = torch.randint(0, 2, (2, 6, 5, 3), generator=generator).to(torch.uint8)
    if close(_statistics(answer, dark)[0], dark.double().mean((0, 1, 2))):
        raise Mistake(*DARK)
    plain = torch.tensor([200, 90, 30], dtype=torch.uint8).expand(4, 5, 6, 3)
    mean, std = _statistics(answer, plain)
    if not (close(mean, plain[0, 0, 0] / 255) and bool((std.abs() < 1e-3).all())):
        raise Mistake(
            "Where a channel is the same everywhere, its mean is that value and its standard deviation is 0; yours are "
            f"{mean.tolist()} and {std.tolist()}.",
            "E[x²] - E[x]² loses its last digits, and may fall below 0: take the deviations from the mean.",
        )


def _statistics(answer: Any, images: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    parts = pair(call(answer, images), "two things", "the mean, and the standard deviation", "return mean, std")
    for each, what in zip(parts, ("the mean", "the standard deviation"), strict=True):
        if isinstance(each, torch.Tensor) and each.ndim == 0:
            raise Mistake(
                f"Yours is one number for {what}, all colours in one pot. Each channel wants its own.",
                "Average over the axes 0, 1 and 2, and leave axis 3 alone.",
            )
        if isinstance(each, torch.Tensor) and each.ndim > 1 and each.numel() == 3:
            raise Mistake(
                f"The shape of {what} should be (3,), but yours is {tuple(each.shape)}: empty axes are left over.",
                "Leave out keepdim=True.",
            )
        if isinstance(each, torch.Tensor) and each.shape != (3,):
            raise Mistake(
                f"The shape of {what} should be (3,), but yours is {tuple(each.shape)}. Which axis holds the channels?",
                "Here the channels come last: average over dim=(0, 1, 2).",
            )
    mean, std = (tensor(each, (3,)).double() for each in parts)
    return mean, std


def _compare_statistics(pixels: torch.Tensor, mean: torch.Tensor, std: torch.Tensor) -> None:
    true_mean, true_std = pixels.mean((0, 1, 2)), pixels.std((0, 1, 2))

    def near(a: torch.Tensor, b: torch.Tensor) -> bool:
        return bool(((a - b).abs() < 1e-3 * b).all())

    if near(mean, true_mean) and near(std, true_std):
        return
    if near(mean, true_mean * 255) or near(std, true_std * 255):
        raise Mistake(
            "Your numbers are in the units of the bytes, 0 to 255; they should be in 0 to 1.", "Divide by 255."
        )
    if near(mean, true_std) and near(std, true_mean):
        raise Mistake("The mean comes first, the standard deviation second; yours are the other way round.")
    if near(std, true_std**2):
        raise Mistake("Yours is the variance.", "The standard deviation is its square root.")
    if near(std, pixels.std((1, 2)).mean(0)):
        raise Mistake(
            "You average the images' own standard deviations. That forgets how much images differ from each other.",
            "Take the standard deviation over all pixels of all images at once.",
        )
    if not near(mean, true_mean):
        raise Mistake(
            "The means are off.", "mean = sum of the channel's pixels, divided by how many there are and by 255."
        )
    raise Mistake("The means are right, the standard deviations are not.", "Over which pixels did you take them?")


def reflect_crop(images: torch.Tensor, top: torch.Tensor, left: torch.Tensor) -> torch.Tensor:
    """Pad by 4 pixels of reflection, then cut each image's own 32×32 window at its ``(top, left)``.

    ``images (N, 3, 32, 32)`` float, ``top (N,)`` and ``left (N,)`` int64 in 0 to 8 → ``(N, 3, 32, 32)``.
    """
    padded = F.pad(images, (4, 4, 4, 4), mode="reflect")
    return torch.stack([image[:, t : t + 32, x : x + 32] for image, t, x in zip(padded, top, left, strict=True)])


def _crop(images: torch.Tensor, top: torch.Tensor, left: torch.Tensor, mode: Any) -> torch.Tensor:
    padded = torch.from_numpy(np.pad(images.numpy(), ((0, 0), (0, 0), (4, 4), (4, 4)), mode=mode))
    return torch.stack([image[:, t : t + 32, x : x + 32] for image, t, x in zip(padded, top, left, strict=True)])


def _judge_crop(answer: Any) -> None:
    generator = torch.Generator().manual_seed(2)
    images = torch.randn(9, 3, 32, 32, generator=generator)  # normalised images go below 0 and above 1
    top, left = torch.tensor([0, 4, 8, 3, 7, 2, 6, 1, 5]), torch.tensor([8, 4, 1, 0, 6, 3, 2, 7, 5])
    result = tensor(call(answer, images, top, left), (9, 3, 32, 32), "the cropped batch")
    if not close(result, reflect_crop(images, top, left)):
        _diagnose_crop(result, images, top, left)
    if result.dtype != images.dtype:
        raise Mistake(
            f"The images come to you as {images.dtype} and leave you as {result.dtype}.",
            "The network computes in float32. NumPy makes float64 unless it is told otherwise.",
        )
    for count in (1, 3, 12, 9):
        images, places = torch.randn(count, 3, 32, 32, generator=generator), torch.arange(count) % 3
        given = call(answer, images, places, places)
        if count == 1 and isinstance(given, torch.Tensor) and given.shape == images.shape[1:]:
            raise Mistake("Of a batch of one you drop the batch: its shape is still (1, 3, 32, 32).", "no squeeze()")
        result = tensor(given, images.shape, f"the cropped batch of {count}")
        if not close(result, reflect_crop(images, places, places)):
            _diagnose_crop(result, images, places, places)


def _diagnose_crop(result: torch.Tensor, images: torch.Tensor, top: torch.Tensor, left: torch.Tensor) -> None:
    right = reflect_crop(images, top, left)
    for mode, word in (("constant", "black"), ("edge", "a repeat of the edge"), ("wrap", "the opposite edge")):
        if close(result, _crop(images, top, left, mode)):
            raise Mistake(
                f"What comes in from outside is {word} in yours. It should be the image's reflection.",
                'F.pad has a mode for it: mode="reflect".',
            )
    if close(result, _crop(images, top, left, "symmetric")):
        raise Mistake(
            "Your reflection shows the outermost row twice. The mirror stands in the middle of it: it comes once.",
            'NumPy calls yours "symmetric" and the right one, as F.pad does, "reflect".',
        )
    if close(result, images):
        raise Mistake("Your images come back as they went in.", "Cut each window at its own top and left.")
    if close(result, reflect_crop(images, left, top)):
        raise Mistake(
            "Top and left have changed places.", "After the channels come the rows (top), then the columns (left)."
        )
    for k in range(len(images)):
        if close(result, reflect_crop(images, top[k].expand(len(images)), left[k].expand(len(images)))):
            raise Mistake("All images are cut at one place. Each has a place of its own.", "Go through them with zip.")
    if close(result, reflect_crop(images, 8 - top, 8 - left)):
        raise Mistake("Your windows go the wrong way: top = 0 means the uppermost rows of the padded image.")
    if any(close(result, each) for each in (right.clamp(0, 1), right.abs(), right.relu())):
        raise Mistake(
            "You change what lies below 0 or above 1, but normalised images go beyond both.",
            "Move pixels, and no more.",
        )
    raise Mistake(
        "The windows are not where they should be.",
        "With top = left = 4 an image must come back as it was; top = 0 must begin at the padded image's edge.",
    )


def hold_out(labels: torch.Tensor, per_class: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Split off ``per_class`` images of each class: ``labels (N,)`` int64 → the places of the rest, and of those."""
    places = [torch.nonzero(labels == label)[:, 0] for label in range(10)]
    validation = torch.cat([each[len(each) - per_class :] for each in places])
    training = torch.ones(len(labels), dtype=torch.bool)
    training[validation] = False
    return torch.nonzero(training)[:, 0], validation


def _judge_hold_out(answer: Any) -> None:
    generator = torch.Generator().manual_seed(3)
    labels = torch.randint(0, 10, (400,), generator=generator)
    few = torch.arange(10).repeat(5)  # all of them are held out, and then all but one
    all_but_one = torch.cat([few, torch.tensor([3])])
    for each, per_class in ((labels, 3), (labels, 7), (labels.sort().values, 4), (few, 5), (all_but_one, 5), (few, 1)):
        _compare_split(each, per_class, *_split(answer, each, per_class))
    training, validation = _split(answer, labels, 0)
    if len(validation) or not torch.equal(training.sort().values, torch.arange(len(labels))):
        raise Mistake(
            f"With per_class = 0 nothing is held out, but in yours {len(validation)} images are.",
            "places[-0:] is everything. places[len(places) - per_class:] is right for 0, too.",
        )

    def asked() -> list[list[int]]:
        return [part.tolist() for part in _split(answer, labels, 7)]

    if asked() != asked():
        raise Mistake(
            "Asked twice, you split in two ways, so tomorrow's validation images were trained on today.",
            "Use no chance, or a torch.Generator with a fixed seed.",
        )
    same_elsewhere(answer, asked, "Use no chance, or a torch.Generator with a number as its seed: manual_seed(7).")


def _split(answer: Any, labels: torch.Tensor, per_class: int) -> tuple[torch.Tensor, torch.Tensor]:
    """The answer's two parts. Raises Mistake unless they are places in the labels."""
    which = "the places of the training images, and of the validation images"
    parts = list(pair(call(answer, labels, per_class), "two tensors", which))
    for k, each in enumerate(parts):
        if isinstance(each, torch.Tensor) and each.dtype == torch.bool:
            raise Mistake("Return places (0, 5, 17, …), not a mask of True and False.", "torch.nonzero(mask)[:, 0]")
        part = tensor(each, getattr(each, "shape", ()), "each part")
        if part.ndim != 1:
            raise Mistake(f"Each part should have one axis, its places; the shape of yours is {tuple(part.shape)}.")
        if not len(part):
            parts[k] = part.long()  # torch.tensor([]) is float, for want of anything else
        elif part.dtype != torch.int64:
            raise Mistake(f"Places are whole numbers of the type torch.int64; yours are {part.dtype}.", ".long()")
        if ((part < 0) | (part >= len(labels))).any():
            raise Mistake(
                f"{len(labels)} images have the places 0 to {len(labels) - 1}; some of yours lie outside.",
                "Each image has one name, as torch.nonzero gives it. -1 would be a second one for the last.",
            )
    return parts[0], parts[1]


def _compare_split(labels: torch.Tensor, per_class: int, training: torch.Tensor, validation: torch.Tensor) -> None:
    train, held = training.tolist(), validation.tolist()
    if any(len(part) > 10 > max(part) for part in (train, held)):
        raise Mistake("These are the labels of the images. Return their places.", "torch.nonzero(mask)[:, 0]")
    if set(train) & set(held):
        raise Mistake(
            "Some images are in both parts. The network would be examined on what it has learned by heart.",
            "What is held out must be taken out of the training part.",
        )
    if len(set(train)) < len(train) or len(set(held)) < len(held):
        raise Mistake("Some images are twice in the same part.")
    counts = torch.bincount(labels[validation], minlength=10)
    if torch.equal(torch.bincount(labels[training], minlength=10), torch.full((10,), per_class)):
        raise Mistake("The parts have changed places: training comes first, validation second.")
    if counts.sum() == per_class:
        raise Mistake("You hold out per_class images in all; it should be so many of each class.")
    if not torch.equal(counts, torch.full((10,), per_class)):
        raise Mistake(
            f"Of the ten classes you hold out {counts.tolist()} images; it should be {per_class} of each.",
            "Go through the classes one by one: torch.nonzero(labels == label)[:, 0] are the places of one.",
        )
    if len(train) + len(held) < len(labels):
        raise Mistake("Some images are in neither part.", "All that is not held out is for training.")


def _judge_upload(answer: Any) -> None:
    generator = torch.Generator().manual_seed(4)
    image = torch.randint(0, 256, (32, 32, 3), generator=generator).to(torch.uint8)
    plain = torch.tensor([200, 90, 30], dtype=torch.uint8).expand(32, 32, 3).clone()
    bright, dark, grey = image // 2 + 128, image // 3, torch.full_like(image, 200)
    night, black = image % 2, torch.zeros_like(image)
    for each in (image, bright, dark, plain, grey, night, black):
        result = call(answer, each)
        if isinstance(result, torch.Tensor) and result.shape == (3, 32, 32):
            raise Mistake(
                "The network wants a batch, even if it is a batch of one.", "Add an axis in front: result[None]"
            )
        result = tensor(result, (1, 3, 32, 32))
        if not close(result, normalize(each)):
            _diagnose_upload(each, result)
        if result.dtype != torch.float32:
            raise Mistake(f"The network computes in float32; yours is {result.dtype}.", "x.float()")


def _diagnose_upload(image: torch.Tensor, result: torch.Tensor) -> None:
    pixels, right = image.float() / 255, normalize(image)
    mean, std = torch.tensor(MEAN), torch.tensor(STD)
    own_mean, own_std = pixels.mean((0, 1)), pixels.std((0, 1))
    if close(result, ((image.float() - mean) / std).permute(2, 0, 1)[None]) and image.max() <= 1:
        raise Mistake(*DARK)
    if not image.any() and not result.any():
        raise Mistake("A black image is no empty one: below the mean, its numbers are negative.", "no exception")
    if not result.isfinite().all() or any(
        close(result, ((pixels - m) / s).permute(2, 0, 1)[None], 2e-2)
        for m, s in ((own_mean, own_std), (pixels.mean(), pixels.std()), (own_mean, std), (mean, own_std))
    ):
        raise Mistake(
            "You still normalise the image by itself: what is its spread when it shows one plain colour?",
            "The network has learned with the training set's MEAN and STD. Use these two, whatever the image.",
        )
    candidates = {
        "You divide by the image's brightest value. White is 255, also for an image that has no white.": (
            (image.float() / image.max() - mean) / std
        ),
        "You stretch the image from its darkest value to its brightest; a byte means the same in every image.": (
            ((image - image.min()) / (image.max() - image.min()) - mean) / std
        ),
        "Your bytes go wrong from 128 on: uint8 goes to 255, and int8 to 127 only.": (
            (image.char().float() / 255 - mean) / std
        ),
        "You do not divide by 255: MEAN and STD are in units of 0 to 1.": (image.float() - mean) / std,
        "The colours are the wrong way round, blue first.": (pixels.flip(2) - mean) / std,
        "You subtract the mean, but do not divide by the standard deviation.": pixels - mean,
        "You divide by the standard deviation, but do not subtract the mean.": pixels / std,
        "You only scale to 0 to 1. Normalising is still to be done.": pixels,
    }
    for hint, wrong in candidates.items():
        if close(result, wrong.permute(2, 0, 1)[None]):
            raise Mistake(hint, "(x / 255 - MEAN) / STD, channel by channel, red first.")
    if close(result, right.transpose(2, 3)):
        raise Mistake("Your image lies on its side.", "permute(2, 0, 1): the channels first, then rows, then columns.")
    if close(result, ((pixels - mean) / std).reshape(1, 3, 32, 32)):
        raise Mistake(
            "The shape is right, but reshape has scrambled the pixels: it keeps their order.",
            "permute(2, 0, 1) moves the channels to the front.",
        )
    raise Mistake("The numbers are off.", "(x / 255 - MEAN) / STD, channel by channel, then the channels to the front.")


EXERCISES = [
    Exercise("channel_statistics", channel_statistics, _judge_statistics, "Six numbers that every image will meet."),
    Exercise("prepare_upload", normalize, _judge_upload, "Even a plain wall comes through in one piece."),
    Exercise("reflect_crop", reflect_crop, _judge_crop, "No black bars, and each image at a place of its own."),
    Exercise("hold_out", hold_out, _judge_hold_out, "So many of each class, none twice, none lost."),
]
