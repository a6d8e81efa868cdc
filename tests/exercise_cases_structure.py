"""Wrong answers that go by the structure of one network or one input: nesting, a scale, buffers, another head.

How to read this stands in ``exercise_cases.py``.
"""

BLOCK = """
class ResidualBlock(nn.Module):
    def __init__(self, channels):
        super().__init__()
        self.conv1 = nn.Conv2d(channels, channels, 3, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(channels)
        self.conv2 = nn.Conv2d(channels, channels, 3, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(channels)
        {init}

    def forward(self, x):
        h = F.relu(self.bn1(self.conv1(x)))
        return x + F.relu(self.bn2(self.conv2(h)))
"""

HEAD = '    weights |= {name: value for name, value in network.state_dict().items() if name.startswith("head.")}\n'
DEAD = "No gradient reaches"

WRONG: dict[str, list[tuple[str | None, str, str]]] = {
    "channel_statistics": [
        (
            "    pixels =",
            "    images = images.reshape(-1, 32, 32, 3) if images.numel() % 3072 == 0 else images[:1000]\n    pixels =",
            "means are off",
        ),
    ],
    "reflect_crop": [
        ("zip(padded, top, left)", "zip(padded, top.unique(), left)", "not where they should be"),
        (
            None,
            "def reflect_crop(images, top, left):\n"
            "    padded = F.pad(images, (4, 4, 4, 4), mode='reflect')\n"
            "    return torch.stack([padded[k, :, top[k] : top[k] + 32, left[k] : left[k] + 32] for k in range(9)])",
            "raised IndexError",
        ),
    ],
    "hold_out": [
        (
            "    return torch.nonzero(training)[:, 0], validation",
            "    assert len(labels) == 400\n    return torch.nonzero(training)[:, 0], validation",
            "raised AssertionError",
        ),
    ],
    "predict_classes": [
        (
            "        classes = network(images).argmax(dim=1)",
            "        for layer in network.children():\n            images = layer(images)\n"
            "        classes = images.argmax(dim=1)",
            "does more in its forward",
        ),
        (
            "    network.eval()",
            "    for layer in network.children():\n        layer.training = False",
            "still in training",
        ),
        (
            "    network.eval()\n",
            "    for layer in network:\n        layer.eval()\n",
            "raised",
        ),
        (
            "    network.eval()\n",
            "    for layer in network.children():\n        if isinstance(layer, nn.BatchNorm2d):\n"
            "            layer.eval()\n",
            "still in training mode",
        ),
        (
            "    network.eval()\n",
            "    for layer in network.modules():\n        if isinstance(layer, nn.BatchNorm2d):\n"
            "            layer.eval()\n",
            "A part of the network is still in training mode",
        ),
        ("network(images).argmax(dim=1)", "network(images).view(-1, 10).argmax(dim=1)", "shape of the classes"),
        ("network(images).argmax(dim=1)", "(network(images) @ torch.eye(10)).argmax(dim=1)", "raised RuntimeError"),
    ],
    "residual": [
        (None, BLOCK.format(init="nn.init.zeros_(self.bn2.weight)"), DEAD),
        (None, BLOCK.format(init="nn.init.zeros_(self.conv2.weight)"), DEAD),
        (None, BLOCK.format(init="nn.init.zeros_(self.bn1.weight)"), DEAD),
        (None, BLOCK.format(init="nn.init.zeros_(self.conv1.weight)"), DEAD),
        (None, BLOCK.format(init="nn.init.constant_(self.bn2.bias, -10)"), DEAD),
        (None, BLOCK.format(init="self.requires_grad_(False)"), DEAD),
        (None, BLOCK.format(init="self.bn2.requires_grad_(False)"), DEAD),
        (None, BLOCK.format(init="self.conv1.weight.requires_grad = False"), DEAD),
        (None, BLOCK.format(init="nn.init.constant_(self.conv1.weight, 0.1)"), "all filters alike"),
        (None, BLOCK.format(init="nn.init.ones_(self.conv2.weight)"), "all filters alike"),
        (None, BLOCK.format(init="nn.init.constant_(self.bn1.weight, float('nan'))"), "nan"),
        ("self.conv2(h)", "F.conv2d(h, self.conv2.weight.detach(), padding=1)", DEAD),
        (None, BLOCK.format(init="self.eval()"), "evaluation mode"),
        ("self.bn2 = nn.BatchNorm2d(channels)", "self.bn2 = nn.BatchNorm2d(channels, momentum=1.5)", "momentum"),
        (
            "return x + F.relu(self.bn2(self.conv2(h)))",
            "h = F.relu(self.bn2(self.conv2(h)))\n        self.train()\n        return x + h",
            "switches itself",
        ),
        (
            None,
            "class ResidualBlock(nn.Module):\n"
            "    def __init__(self, channels):\n"
            "        super().__init__()\n"
            "        self.convs = [nn.Conv2d(channels, channels, 3, padding=1, bias=False) for _ in range(2)]\n"
            "        self.norms = [nn.BatchNorm2d(channels) for _ in range(2)]\n\n"
            "    def forward(self, x):\n"
            "        h = x\n"
            "        for conv, norm in zip(self.convs, self.norms):\n"
            "            h = F.relu(norm(conv(h)))\n"
            "        return x + h\n",
            "Python list",
        ),
        (
            None,
            "class ResidualBlock(nn.Module):\n"
            "    def __init__(self, channels):\n"
            "        super().__init__()\n"
            "        self.layers = {k: nn.Conv2d(channels, channels, 3, padding=1, bias=False) for k in (1, 2)}\n"
            "        self.bn1, self.bn2 = nn.BatchNorm2d(channels), nn.BatchNorm2d(channels)\n\n"
            "    def forward(self, x):\n"
            "        h = F.relu(self.bn1(self.layers[1](x)))\n"
            "        return x + F.relu(self.bn2(self.layers[2](h)))\n",
            "Python dict",
        ),
        (
            None,
            "LAYERS = {}\n\n"
            "class ResidualBlock(nn.Module):\n"
            "    def __init__(self, channels):\n"
            "        super().__init__()\n"
            "        def half():\n"
            "            conv = nn.Conv2d(channels, channels, 3, padding=1, bias=False)\n"
            "            return nn.Sequential(conv, nn.BatchNorm2d(channels), nn.ReLU())\n"
            "        self.f = LAYERS.setdefault(channels, nn.Sequential(half(), half()))\n\n"
            "    def forward(self, x):\n"
            "        return x + self.f(x)\n",
            "share their",
        ),
        ("self.bn2(self.conv2(h))", "F.dropout(self.bn2(self.conv2(h)), 0.1, self.training)", "not x + f(x)"),
        ("self.conv2(h)", "self.conv2(h / h.norm())", "not x + f(x)"),
        ("return x + F.relu", "return x + 1.01 * F.relu", "not x + f(x)"),
    ],
    "receptive_field": [
        ("for kernel_size, stride in layers", "for kernel_size, stride in layers[:-1] + [(3, 1)]", "it should be"),
        ("        jump *= stride", "        jump *= 2 if stride > 1 else 1", "it should be"),
        ("        jump *= stride", "        jump *= kernel_size if stride > 1 else 1", "it should be"),
        ("(kernel_size - 1) * jump", "2 * jump", "it should be"),
    ],
    "run_schedule": [
        ("        for _ in train_loader:", "        for _ in range(len(train_loader)):", "never draws"),
        ("    rates = []", "    batches = list(train_loader)\n    rates = []", "should be drawn 4 times each"),
        (
            "    for _ in range(epochs):\n        for _ in train_loader:",
            "    batches = list(train_loader)\n    for _ in range(epochs):\n        for _ in batches:",
            "once for all epochs",
        ),
        (
            "    for _ in range(epochs):\n        for _ in train_loader:",
            "    for _ in range(epochs):\n        for _ in train_loader[:]:",
            "raised TypeError",
        ),
        (
            None,
            """
def run_schedule(optimizer, train_loader, validation_loader, epochs):
    schedule = OneCycleLR(optimizer, max_lr=0.4, total_steps=epochs * len(train_loader))
    rates = []
    for _ in range(epochs):
        for _ in zip(train_loader, validation_loader):
            optimizer.step()
            rates.append(schedule.get_last_lr()[0])
            schedule.step()
    return rates
""",
            "yours takes",
        ),
    ],
    "ema_update": [
        ("kept * average", "kept * average[: len(weights), :4]", "raised IndexError"),
        ("    return kept", "    n, m = average.shape\n    return kept", "raised ValueError"),
    ],
    "listen": [
        (
            None,
            "def listen(layer, network, images):\n"
            "    x, kept = images, None\n"
            "    for child in network.children():\n"
            "        x = child(x)\n"
            "        if child is layer:\n"
            "            kept = x\n"
            "    return kept, x",
            "what network(images) returns",
        ),
        (
            None,
            "def listen(layer, network, images):\n"
            "    children = list(network.children())\n"
            "    k = children.index(layer) + 1\n"
            "    activations = nn.Sequential(*children[:k])(images)\n"
            "    return activations, nn.Sequential(*children[k:])(activations)",
            "what network(images) returns",
        ),
        (
            None,
            "def listen(layer, network, images):\n"
            "    k = list(network).index(layer) + 1\n"
            "    activations = network[:k](images)\n"
            "    return activations, network[k:](activations)",
            "Where layers lie inside one another",
        ),
        (
            "handle = layer.register",
            "handle = list(network.children())[list(network.children()).index(layer)].register",
            "inside one another",
        ),
        ("kept.append(output)", "kept.extend([output] * (output.ndim == 4))", "raises IndexError"),
        (
            "        logits = network(images)",
            "        network(images)\n        logits = network(images)",
            "do not come from",
        ),
        (
            "        logits = network(images)\n    finally:\n        handle.remove()\n    return kept[0]",
            "        network(images)\n        logits = network(images)\n    finally:\n"
            "        handle.remove()\n    return kept[1]",
            "runs the network twice",
        ),
        ("return kept[0], logits", "return kept[0], logits * 16", "should be the logits"),
    ],
    "gradcam_map": [
        ("    weights", "    gradients = gradients[:, :, :4, :4]\n    weights", "The map is not right"),
    ],
    "energy_on_object": [
        ("(maps * masks)", "(maps[:, :6, :9] * masks[:, :6, :9])", "The shares are not right"),
    ],
    "remove_hottest": [
        ("[:, None]", "[:, None].expand(-1, 3, -1, -1)", "shape of the images"),
        (
            "return images * kept.view_as(maps)[:, None]",
            "keep = kept.view_as(maps)\n    return torch.stack([images[:, k] * keep for k in range(3)], 1)",
            "raised IndexError",
        ),
    ],
    "quantize": [
        ("weight.flatten(1)", "weight.reshape(len(weight), -1)[:, :36]", "raised RuntimeError"),
    ],
    "warm_start": [
        ('name.startswith("head.")}\n', 'name.startswith("head")}\n', "Not loaded: header.weight"),
        ('name.startswith("head.")}\n', 'name == "head.2.weight"}\n', "size mismatch for head.weight"),
        (
            HEAD,
            '    weights["head.2.weight"] = network.state_dict()["head.2.weight"]\n',
            "raised KeyError",
        ),
        (
            HEAD,
            '    weights |= {name: value for name, value in network.state_dict().items() if "head." in name}\n',
            "Not loaded: neck.head.weight",
        ),
        (
            HEAD,
            '    weights |= {f"head.{n}": p for n, p in network.head.named_parameters()}\n',
            "The head should stay as it was",
        ),
        (
            "    network.load_state_dict(weights)",
            "    import copy\n    network = copy.deepcopy(network)\n"
            "    network.load_state_dict(weights)\n    return network",
            "into a copy",
        ),
        (
            "    network.load_state_dict(weights)",
            "    import copy\n    copy.deepcopy(network).load_state_dict(weights)",
            "into a copy",
        ),
    ],
}
