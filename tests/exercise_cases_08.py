"""What readers may hand in for lesson 08's exercises; how to read this stands in ``exercise_cases.py``."""

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
}

RIGHT: dict[str, str] = {
    "read_safetensors": """
import numpy as np
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

LENGTH = 'len(text).to_bytes(8, "little")'

WRONG |= {
    "write_safetensors": [
        ('"little"', '"big"', "largest byte first"),
        (LENGTH + " + ", "", "begins with the header's length"),
        (
            "json.dumps(header).encode()",
            "json.dumps(header).encode()[:-1]",
            "there is no JSON",
        ),
        (
            "    text = json.dumps(header).encode()\n    return len(text)",
            "    words = json.dumps(header, ensure_ascii=False)\n    text = words.encode()\n    return len(words)",
            "in UTF-8 an",
        ),
        ('"little") + text', '"little")', "there is no JSON"),
        ("kinds[tensor.dtype]", "str(tensor.dtype)", "your header calls that"),
        ("kinds[tensor.dtype]", '"F32"', "your header calls that"),
        ("list(tensor.shape)", "[tensor.numel()]", "your header says"),
        ("[place, place + len(part)]", "[place, len(part)]", "not how many there are"),
        ("[place, place + len(part)]", "[place, place + tensor.numel()]", "count bytes, and not numbers"),
        ("[place, place + len(part)]", "[place, place + len(part) - 1]", "the byte behind the last one"),
        ("place += len(part)", "pass", "should lie at"),
        ("part = tensor.numpy().tobytes()", "part = bytes(tensor.untyped_storage())", "should lie at"),
        (
            "part = tensor.numpy().tobytes()",
            'part = tensor.numpy().tobytes(order="A")',
            "in another order",
        ),
        ("part = tensor.numpy().tobytes()", "part = (tensor + 1).numpy().tobytes()", "comes back with other numbers"),
        ('b"".join(parts)', 'b"".join(parts[::-1])', "comes back with"),
        ('b"".join(parts)', 'b"".join(parts[1:])', "Behind the header there should be"),
        ("    return len", "    len", "Is the return missing"),
        ("    return ", "    return list(parts) or ", "Return the file's bytes"),
        ("    text = json", "    tensors.clear()\n    text = json", "changes the tensors"),
        ("        parts.append", "        tensor += 1\n        parts.append", "changes the tensors"),
        ('"dtype": kinds', '"type": kinds', "should have dtype, shape"),
        (
            None,
            """
def write_safetensors(tensors):
    kinds = {torch.float16: "F16", torch.float32: "F32", torch.int64: "I64"}
    sizes = {name: tensor.numel() * tensor.element_size() for name, tensor in tensors.items()}
    start = 0
    for _ in range(3):
        header, place = {}, start
        for name, tensor in tensors.items():
            end = place + sizes[name]
            header[name] = {"dtype": kinds[tensor.dtype], "shape": [*tensor.shape], "data_offsets": [place, end]}
            place = end
        text = json.dumps(header).encode()
        start = 8 + len(text)
    return len(text).to_bytes(8, "little") + text + b"".join(t.numpy().tobytes() for t in tensors.values())
""",
            "Offsets count from the first byte behind the header",
        ),
    ],
    "agrees": [
        (".abs().max()", ".mean()", "too high"),
        (".abs().max()", ".mean().abs()", "In the mean that cancels out"),
        (".abs().max()", ".abs().mean()", "A single number of 60"),
        (".abs().max()", ".max()", "too high"),
        ("difference <= tolerance", "difference < tolerance", "tolerance is 0"),
        ("difference <= tolerance", "not difference > tolerance", "NaN agrees with nothing"),
        ("    if ours.shape != theirs.shape:\n        return False\n", "", "Compare the shapes"),
        (
            None,
            "def agrees(ours, theirs, tolerance):\n"
            "    return ours.shape == theirs.shape and torch.allclose(ours, theirs, atol=tolerance)",
            "Large numbers get more room",
        ),
        (
            None,
            "def agrees(ours, theirs, tolerance):\n"
            "    return ours.shape == theirs.shape and bool((ours.argmax(1) == theirs.argmax(1)).all())",
            "too high",
        ),
        (
            None,
            "def agrees(ours, theirs, tolerance):\n"
            "    if ours.shape != theirs.shape:\n        return False\n"
            "    off = (ours - theirs).abs()\n"
            "    return bool(off[~off.isnan()].max() <= tolerance) if not off.isnan().all() else False",
            "One NaN agrees with nothing",
        ),
        ("return difference <= tolerance", "return difference", "Return True or False"),
        ("    return difference <= tolerance", "    difference <= tolerance", "Is the return missing"),
        ("    difference = (ours - theirs)", "    difference = ours.sub_(theirs)", "changes its input in place"),
    ],
}
RIGHT |= {
    "write_safetensors": """
def write_safetensors(tensors):
    from safetensors.torch import save
    return save({name: tensor.contiguous() for name, tensor in tensors.items()})
""",
    "agrees": """
def agrees(ours, theirs, tolerance):
    if tuple(ours.shape) != tuple(theirs.shape):
        return False
    return bool(torch.all(torch.abs(ours - theirs) <= tolerance))
""",
}

ALSO_RIGHT |= {
    "write_safetensors": [
        """
import numpy as np
def write_safetensors(tensors):
    header, body = {"__metadata__": {"by": "hand"}}, bytearray()
    for name in sorted(tensors):
        values = np.ascontiguousarray(tensors[name].numpy())
        begin = len(body)
        body += values.tobytes()
        kind = {"float16": "F16", "float32": "F32", "int64": "I64"}[str(values.dtype)]
        header[name] = {"dtype": kind, "shape": tuple(tensors[name].shape), "data_offsets": (begin, len(body))}
    text = json.dumps(header, ensure_ascii=False).encode("utf-8")
    text += b" " * (-len(text) % 8)
    return bytearray(len(text).to_bytes(8, byteorder="little")) + text + body
""",
    ],
    "agrees": [
        """
def agrees(ours, theirs, tolerance):
    return ours.shape == theirs.shape and torch.allclose(ours, theirs, rtol=0, atol=tolerance)
""",
        """
def agrees(ours, theirs, tolerance):
    import numpy as np
    return ours.shape == theirs.shape and np.abs(ours.numpy() - theirs.numpy()).max() <= tolerance
""",
    ],
}
