"""What readers may hand in for lesson 08's exercises; how to read this stands in ``exercise_cases.py``."""

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
    "read_safetensors": [
        ('    header.pop("__metadata__", None)\n', "", "raised KeyError"),
        (
            "    return tensors",
            '    return tensors | {"__metadata__": {}}',
            "a note about the file, and no tensor",
        ),
        ("content[start + first : start + last]", "content[first:last]", "count the offsets from the wrong place"),
        (
            "content[start + first : start + last]",
            "content[8 + first : 8 + last]",
            "count the offsets from the wrong place",
        ),
        ("start + first : start + last", "start : start + last - first", "count the offsets from the wrong place"),
        ('.reshape(entry["shape"])', "", "but not its shape"),
        ('.reshape(entry["shape"])', '.reshape(entry["shape"]).float()', "each entry names its own type"),
        ("part = bytearray(content[", "part = bytearray(b + 1 & 127 for b in content[", "are not the ones in the file"),
        ('"little"', '"big"', "Your answer raised"),
        ('int.from_bytes(content[:8], "little")', "content[0]", "raised JSONDecodeError"),
        ('content[:8], "little"', 'content[:2], "little"', "raised JSONDecodeError"),
        (
            "tensors = {}",
            'tensors, place = {}, 0\n    for entry in header.values():\n        first, last = entry["data_offsets"]\n'
            '        entry["data_offsets"] = place, place + last - first\n        place += last - first',
            "not lie in the order of the header",
        ),
        ("    return tensors", "    return list(tensors)", "Return a dictionary"),
        ("        tensors[name] =", '        tensors[name.split(".")[0]] =', "you return"),
        ("    return tensors", "", "Is the return missing"),
    ],
    "quantize": [
        ("rows.abs().amax(1) / most", "(rows.abs().amax() / most).reshape(1)", "One scale for the whole tensor"),
        (
            None,
            "def quantize(weight, bits):\n"
            "    scale = weight.abs().max() / (2 ** (bits - 1) - 1)\n"
            "    return (weight / scale).round().to(torch.int8), scale",
            "One scale for the whole tensor",
        ),
        ("2 ** (bits - 1) - 1", "2 ** (bits - 1)", "as many steps on both sides of zero"),
        ("2 ** (bits - 1) - 1", "2**bits - 1", "as many steps on both sides of zero"),
        ("rows.abs().amax(1)", "rows.amax(1)", "forget that the smallest"),
        ("rows.abs().amax(1) / most", "(rows.amax(1) - rows.amin(1)) / (2 * most)", "the range from least to most"),
        (".round()", "", "You cut the fraction off"),
        (".round()", ".floor()", "not the nearest ones"),
        (".round().to(torch.int8)", "", "Your numbers are not whole"),
        (".to(torch.int8)", "", "more room than need be"),
        ("torch.int8", "torch.int32", "more room than need be"),
        ("torch.int8", "torch.uint8", "no numbers below zero"),
        (".round().to(torch.int8)", ".round() * scale[:, None]", "Your numbers are not whole"),
        ("return numbers.reshape(weight.shape), scale", "return scale, numbers.reshape(weight.shape)", "come first"),
        ("return numbers.reshape(weight.shape), scale", "return numbers.reshape(weight.shape)", "Return two tensors"),
        (
            "return numbers.reshape(weight.shape), scale",
            "return numbers.reshape(weight.shape), 1 / scale",
            "upside down",
        ),
        (
            "return numbers.reshape(weight.shape), scale",
            "return numbers.reshape(weight.shape), scale * most",
            "the largest value itself",
        ),
        ("numbers.reshape(weight.shape)", "numbers", "shape of the whole numbers"),
        ("    return numbers", "    numbers", "Is the return missing"),
        ("rows = weight.flatten(1)", "rows = weight.flatten(1).mul_(2)", "changes its input in place"),
        ("rows.abs().amax(1)", "rows.abs().mean(1)", "The scales are not right"),
    ],
    "app_input": [
        ("[:, :, ::-1]", "", "Blue still comes first"),
        ("[:, :, ::-1]", "[:, ::-1, ::-1]", "turned the image round"),
        ("[:, :, ::-1]", "[::-1, :, ::-1]", "turned the image round"),
        ("[:, :, ::-1]", "[:, ::-1]", "not what the notebook shows"),
        (
            "to_32x32(picture)",
            "np.asarray(picture.resize((32, 32), Image.Resampling.BOX))",
            "squeezed into a square",
        ),
        ("to_32x32(picture)", "to_32x32(picture.crop((0, 0, 32, 32)))", "not what the notebook shows"),
        (
            "    return",
            "    side = min(picture.size)\n    picture = picture.crop((0, 0, side, side))\n    return",
            "not the one in the middle",
        ),
        (
            "to_32x32(picture)",
            "to_32x32(picture.resize([32 * n // min(picture.size) for n in picture.size], 0))",
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
                "    side = min(picture.size)\n"
                "    left, top = (picture.width - side) // 2, (picture.height - side) // 2\n"
                f"    picture = picture.crop((left, top, left + side, top + side)).resize((32, 32){way})\n    return",
                "gives some pixels more weight",
            )
            for way in ("", ", Image.Resampling.BILINEAR", ", Image.Resampling.LANCZOS")
        ),
        (None, BLOCKS, "raised RuntimeError"),
        (
            "    picture",
            "    if min(pixels.shape[:2]) % 32:\n        pixels = pixels[:64, :64]\n    picture",
            "no multiple of 32",
        ),
        ("return normalize(", "return 1 / 255 * torch.from_numpy(", "The shape of the input"),
        ("normalize(to_32x32(picture))", "normalize(to_32x32(picture))[0]", "The network wants a batch"),
        ("normalize(to_32x32(picture))", "normalize(to_32x32(picture)).mT", "lies on its side"),
        ("normalize(to_32x32(picture))", "normalize(to_32x32(picture)).double()", "computes in float32"),
        ("    picture", "    pixels[:] = pixels[:, :, ::-1].copy()\n    picture", "changes its input in place"),
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
    "read_safetensors": """
def read_safetensors(content):
    kinds = {"F32": np.float32, "F16": np.float16, "I64": np.int64}
    length = sum(byte << 8 * k for k, byte in enumerate(content[:8]))
    numbers = memoryview(content)[8 + length:]
    found = {}
    for name, facts in json.loads(bytes(content[8:8 + length]).decode()).items():
        if name != "__metadata__":
            begin, end = facts["data_offsets"]
            array = np.frombuffer(numbers[begin:end], kinds[facts["dtype"]]).copy()
            found[name] = torch.from_numpy(array).view(facts["shape"])
    return found
""",
    "quantize": """
def quantize(weight, bits):
    numbers, scales = torch.zeros_like(weight, dtype=torch.int8), []
    for k, channel in enumerate(weight):
        step = max(channel.max(), -channel.min()) / (2 ** (bits - 1) - 1)
        if step > 0:
            numbers[k] = torch.round(channel / step)
        scales.append(step)
    return numbers, torch.stack(scales)
""",
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
    threshold = ordered[int(share * len(ordered))]
    return threshold, sum(score < threshold for score in strange.tolist()) / len(strange)
""",
}

ALSO_RIGHT: dict[str, list[str]] = {
    "read_safetensors": [
        """
def read_safetensors(content):
    from safetensors.numpy import load
    return load(content)
""",
    ],
}

EQUIVALENT: dict[str, dict[str, str]] = {
    "quantize": {"divisor = scale.where(scale > 0, 2)": "nothing divided by two is nothing, too"},
    "read_safetensors": {
        "start = 8 + int.from_bytes(content[:7], 'little')": "the eighth byte counts headers beyond 72 million GB",
    },
}
