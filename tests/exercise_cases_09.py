"""What readers may hand in for lesson 09's exercises; how to read this stands in ``exercise_cases.py``."""

# right for sides that are multiples of 32
BLOCKS = """
def app_input(pixels):
    height, width, _ = pixels.shape
    side = min(height, width)
    top, left, block = (height - side) // 2, (width - side) // 2, side // 32
    square = torch.from_numpy(pixels.copy())[top:top + side, left:left + side].float()
    small = square.reshape(32, block, 32, block, 3).mean((1, 3)) / 255
    blue, green, red = small.unbind(-1)
    x = torch.stack([red, green, blue])
    mean, std = torch.tensor([0.4914, 0.4822, 0.4465]), torch.tensor([0.2470, 0.2435, 0.2616])
    return ((x - mean[:, None, None]) / std[:, None, None])[None]
"""

WRONG: dict[str, list[tuple[str | None, str, str]]] = {
    "app_input": [
        ("[:, :, ::-1]", "", "Blue still comes first"),
        ("[:, :, ::-1]", "[:, ::-1, ::-1]", "turned the image round"),
        ("[:, :, ::-1]", "[::-1, :, ::-1]", "turned the image round"),
        ("[:, :, ::-1]", "[:, ::-1]", "not what the notebook shows"),
        (
            "to_32x32(image)",
            "np.asarray(image.resize((32, 32), Image.Resampling.BOX))",
            "squeezed into a square",
        ),
        ("to_32x32(image)", "to_32x32(image.crop((0, 0, 32, 32)))", "not what the notebook shows"),
        (
            "    return",
            "    side = min(image.size)\n    image = image.crop((0, 0, side, side))\n    return",
            "not the one in the middle",
        ),
        (
            "to_32x32(image)",
            "to_32x32(image.resize([32 * n // min(image.size) for n in image.size], 0))",
            "pick a few pixels",
        ),
        (
            None,
            "def app_input(pixels):\n"
            "    x = torch.from_numpy(cv2.resize(pixels, (32, 32))[:, :, ::-1].copy()).permute(2, 0, 1).float()[None]\n"
            "    return (x - x.mean()) / x.std()",
            "squeezed into a square",
        ),
        (
            None,
            "def app_input(pixels):\n"
            "    x = torch.from_numpy(to_32x32(Image.fromarray(pixels[:, :, ::-1]))).permute(2, 0, 1).float()[None]\n"
            "    return (x - x.mean()) / x.std()",
            "still normalise the image by itself",
        ),
        (
            None,
            "def app_input(pixels):\n"
            "    x = torch.from_numpy(to_32x32(Image.fromarray(pixels[:, :, ::-1]))).permute(2, 0, 1).float()[None]\n"
            "    mean, std = x.mean((2, 3), keepdim=True), x.std((2, 3), keepdim=True)\n"
            "    return (x - mean) / (std + 1e-6)",
            "still normalise the image by itself",
        ),
        *(
            (
                "    return",
                "    side = min(image.size)\n"
                "    left, top = (image.width - side) // 2, (image.height - side) // 2\n"
                f"    image = image.crop((left, top, left + side, top + side)).resize((32, 32){way})\n    return",
                "gives some pixels more weight",
            )
            for way in ("", ", Image.Resampling.BILINEAR", ", Image.Resampling.LANCZOS")
        ),
        (None, BLOCKS, "raised RuntimeError"),
        (
            "    image",
            "    if min(pixels.shape[:2]) % 32:\n        pixels = pixels[:64, :64]\n    image",
            "no multiple of 32",
        ),
        ("return normalize(", "return 1 / 255 * torch.from_numpy(", "The shape of the input"),
        ("normalize(to_32x32(image))", "normalize(to_32x32(image))[0]", "The network wants a batch"),
        ("normalize(to_32x32(image))", "normalize(to_32x32(image)).mT", "lies on its side"),
        ("normalize(to_32x32(image))", "normalize(to_32x32(image)).double()", "computes in float32"),
        ("    image", "    pixels[:] = pixels[:, :, ::-1].copy()\n    image", "changes its input in place"),
        ("return normalize(", "normalize(", "Is the return missing"),
    ],
    "caught": [
        ("familiar.quantile(share)", "strange.quantile(share)", "have a say in your threshold"),
        ("familiar.quantile(share)", "strange.quantile(1 - share)", "have a say in your threshold"),
        ("familiar.quantile(share)", "torch.cat([familiar, strange]).quantile(share)", "have a say in your threshold"),
        ("familiar.quantile(share)", "familiar.quantile(1 - share)", "warn of nearly all familiar"),
        ("familiar.quantile(share)", "familiar.min()", "should lie below the threshold"),
        ("familiar.quantile(share)", "familiar.mean() - 2 * familiar.std()", "should lie below the threshold"),
        ("strange < threshold", "strange > threshold", "count the strange images that pass"),
        (".float().mean()", ".float().sum()", "return their share"),
        (".mean().item()", ".mean().item() * 100", "Yours is in percent"),
        ("(strange < threshold)", "(familiar < threshold)", "about the strange images"),
        ("(strange < threshold).float().mean().item()", "(strange < threshold)", "Make the share of strange"),
        ("return threshold.item(),", "return str(threshold.item()),", "Make the threshold a number"),
        ("return threshold.item(), ", "return ", "Return two numbers"),
        ("    return threshold", "    threshold", "Is the return missing"),
        (".float().mean().item()", ".float().std().item()", "is another"),
    ],
}

RIGHT: dict[str, str] = {
    "app_input": """
def app_input(pixels):
    height, width, _ = pixels.shape
    side = min(height, width)
    top, left = (height - side) // 2, (width - side) // 2
    square = torch.from_numpy(pixels.copy())[top:top + side, left:left + side].float()
    blue, green, red = F.adaptive_avg_pool2d(square.permute(2, 0, 1), 32) / 255
    x = torch.stack([red, green, blue])
    mean, std = torch.tensor([0.4914, 0.4822, 0.4465]), torch.tensor([0.2470, 0.2435, 0.2616])
    return ((x - mean[:, None, None]) / std[:, None, None])[None]
""",
    "caught": """
def caught(familiar, strange, share):
    ordered = sorted(familiar.tolist())
    threshold = ordered[min(int(share * len(ordered)), len(ordered) - 1)]
    return threshold, sum(score < threshold for score in strange.tolist()) / len(strange)
""",
}

WRONG |= {
    "on_white": [
        ("    mixed = opacity * colours + (1 - opacity) * 255", "    mixed = colours", "You drop the fourth channel"),
        (" + (1 - opacity) * 255", "", "Yours lies on black"),
        ("opacity * colours + (1 - opacity) * 255", "(1 - opacity) * colours + opacity * 255", "upside down"),
        ("(1 - opacity) * 255", "(1 - opacity)", "White is 255 here"),
        ("opacity * colours + (1 - opacity) * 255", "torch.where(opacity > 0.5, colours, 255.0)", "They are a mixture"),
        ("opacity * colours + (1 - opacity) * 255", "torch.where(opacity > 0, colours, 255.0)", "They are a mixture"),
        (" / 255", "", "its colours stay as they are"),
        ("return mixed.round().to(torch.uint8)", "return mixed", "images are torch.uint8"),
        ("return mixed.round().to(torch.uint8)", "return mixed / 255", "bytes go from 0 to 255"),
        ("return mixed.round().to(torch.uint8)", "return mixed.round().long()", "images are torch.uint8"),
        ("pixels[..., :3].float()", "pixels.float()", "Four channels are left"),
        ("    return mixed", "    mixed", "Is the return missing"),
        ("    return mixed", "    return mixed.permute(2, 0, 1)", "shape of the image"),
        ("    opacity", "    pixels[..., 3] = 255\n    opacity", "changes its input in place"),
        (
            None,
            "def on_white(pixels):\n"
            "    colours, alpha = pixels[..., :3], pixels[..., 3:]\n"
            "    return (alpha * colours + (255 - alpha) * 255) // 255",
            "its colours stay as they are",
        ),
    ],
    "fair_threshold": [
        ("len(scores) + 1", "len(scores)", "n + 1 places"),
        ("ordered[k - 1]", "ordered[k]", "one place too high"),
        ("ordered[k - 1]", "ordered[k - 2]", "one place too low"),
        ("math.floor(", "math.ceil(", "You round up"),
        ("math.floor(", "round(", "You round up"),
        ("    if k == 0:\n        return -math.inf\n", "", "no rank is left"),
        ("return -math.inf", "return scores.min().item()", "cannot be promised"),
        ("scores.sort().values", "scores.sort(descending=True).values", "counts from the top"),
        ("scores.sort().values", "scores", "it should be the one of rank"),
        ("scores.sort().values", "scores.unique()", "raised IndexError"),
        (None, "def fair_threshold(scores, share):\n    return scores.quantile(share).item()", "images at hand"),
        (
            None,
            "def fair_threshold(scores, share):\n    return scores.quantile(1 - share).item()",
            "counts from the top",
        ),
        (
            None,
            "def fair_threshold(scores, share):\n    return (scores.mean() - 1.645 * scores.std()).item()",
            "it should be the one of rank",
        ),
        ("return ordered[k - 1].item()", "ordered[k - 1].item()", "Is the return missing"),
        ("return ordered[k - 1].item()", "return ordered[:k]", "Make the threshold a number"),
        ("scores.sort().values", "scores.mul_(1).sort().values + 1e-3", "it should be the one of rank"),
    ],
}

RIGHT |= {
    "on_white": """
def on_white(pixels):
    below = Image.new("RGBA", (pixels.shape[1], pixels.shape[0]), "white")
    below.alpha_composite(Image.fromarray(pixels.numpy(), "RGBA"))
    return torch.from_numpy(np.array(below.convert("RGB")))
""",
    "fair_threshold": """
def fair_threshold(scores, share):
    places = len(scores) + 1
    allowed = float("-inf")
    for rank, score in enumerate(sorted(scores.tolist()), start=1):
        if rank / places <= share:
            allowed = score
    return allowed
""",
}

ALSO_RIGHT: dict[str, list[str]] = {
    "on_white": [
        """
def on_white(pixels):
    wide = pixels.long()
    colours, alpha = wide[..., :3], wide[..., 3, None]
    return ((alpha * colours + (255 - alpha) * 255) // 255).byte()
""",
    ],
    "fair_threshold": [
        """
def fair_threshold(scores, share):
    k = int(share * (scores.numel() + 1))
    return scores.kthvalue(k).values.item() if k else -float("inf")
""",
    ],
}

EQUIVALENT: dict[str, dict[str, str]] = {}
