"""Wrong answers that give the right value and change what the caller owns.

How to read this stands in ``exercise_cases.py``.
"""

STRICT = "    network.load_state_dict(weights)"

WRONG: dict[str, list[tuple[str | None, str, str]]] = {
    "channel_statistics": [
        ("    pixels =", "    torch.set_num_threads(1 + torch.get_num_threads())\n    pixels =", "how many threads"),
        ("    pixels =", "    torch.use_deterministic_algorithms(True)\n    pixels =", "deterministic"),
        ("    pixels =", "    torch.set_float32_matmul_precision('medium')\n    pixels =", "precision of matrix"),
        ("    pixels =", "    import os\n    os.chdir('/')\n    pixels =", "the working directory"),
        ("    pixels =", "    import os\n    os.environ['S12_DATA_DIR'] = 'elsewhere'\n    pixels =", "environment"),
        ("    pixels =", "    import numpy\n    numpy.seterr(all='ignore')\n    pixels =", "NumPy"),
        ("    pixels =", "    import sys\n    sys.setrecursionlimit(5000)\n    pixels =", "recursion limit"),
        ("    pixels =", "    nn.modules.module.register_module_forward_hook(print)\n    pixels =", "hook"),
    ],
    "predict_classes": [
        ("    network.train(was_training)", "    network.zero_grad()\n    network.train(was_training)", "gradients"),
        (
            "    network.train(was_training)",
            "    for p in network.parameters():\n        p.grad = None\n    network.train(was_training)",
            "gradients",
        ),
        (
            "    with torch.no_grad():\n        classes = network(images).argmax(dim=1)",
            "    logits = network(images)\n    logits.sum().backward()\n    classes = logits.argmax(dim=1)",
            "gradients",
        ),
        ("    was_training", "    network.register_forward_hook(lambda *_: None)\n    was_training", "hook"),
        (
            "    network.train(was_training)",
            "    for m in network.modules():\n        if hasattr(m, 'reset_running_stats'):\n"
            "            m.reset_running_stats()\n    network.train(was_training)",
            "You reset the statistics",
        ),
        (
            "    network.eval()",
            "    for m in network.modules():\n        if hasattr(m, 'momentum'):\n            m.momentum = 0.0\n"
            "    network.eval()",
            "momentum",
        ),
        (
            "    network.eval()",
            "    for m in network.modules():\n        if hasattr(m, 'track_running_stats'):\n"
            "            m.track_running_stats = False\n    network.eval()",
            "track_running_stats",
        ),
        ("    network.train(was_training)", "    network.last = classes\n    network.train(was_training)", "last"),
        (
            "    network.train(was_training)",
            "    for p in network.parameters():\n        p.data = p.data + 1e-7\n    network.train(was_training)",
            "changes the network's",
        ),
        ("    was_training", "    images.requires_grad_()\n    was_training", "requires_grad"),
    ],
    "residual": [
        (
            "        h = F.relu",
            "        with torch.no_grad():\n            self.conv1.weight.mul_(0.99)\n        h = F.relu",
            "the block's own weights",
        ),
        (
            "        h = F.relu",
            "        self.bn1.reset_running_stats()\n        h = F.relu",
            "running",
        ),
        (
            "        h = F.relu",
            "        self.zero_grad()\n        h = F.relu",
            "gradients",
        ),
    ],
    "smoothed_cross_entropy": [
        ("    log_p = logits", "    logits.requires_grad_()\n    log_p = logits", "requires_grad"),
        (
            "    return (1",
            "    everywhere.backward(retain_graph=True) if everywhere.requires_grad else 0\n    return (1",
            "backward",
        ),
    ],
    "run_schedule": [
        ("    rates = []", "    optimizer.param_groups[0]['weight_decay'] = 0.1\n    rates = []", "weight_decay"),
        (
            "    rates = []",
            "    optimizer.add_param_group({'params': [torch.zeros(1, requires_grad=True)]})\n    rates = []",
            "raised KeyError",
        ),
        ("    return rates", "    optimizer.param_groups.clear()\n    return rates", "group"),
    ],
    "ema_update": [
        ("    return kept", "    average.requires_grad_()\n    return kept", "requires_grad"),
    ],
    "top_classes": [
        (
            "    values, indices",
            "    if type(classes) is list:\n        classes.sort()\n    values, indices",
            "in place",
        ),
        (
            "    values, indices",
            "    if type(classes) is list:\n        classes.append('')\n    values, indices",
            "in place",
        ),
    ],
    "calibration_error": [
        ("    place =", "    confidence.clamp_(max=0.9999)\n    place =", "changes its input in place"),
    ],
    "confusion_matrix": [
        ("    counts =", "    labels += 1\n    labels -= 1\n    preds.clamp_(min=1)\n    counts =", "in place"),
    ],
    "listen": [
        ("    kept = []", "    kept = []\n    images.requires_grad_()", "requires_grad"),
        (
            "    return kept[0], logits",
            "    logits.sum().backward(retain_graph=True)\n    return kept[0], logits",
            "gradients",
        ),
        ("    kept = []", "    kept = []\n    network.zero_grad()", "gradients"),
        ("    kept = []", "    kept = []\n    network.requires_grad_(True)", "You unfreeze"),
        ("kept.append(output)", "kept.append(output)\n        module.kept = output", "leaves"),
        (
            None,
            "def listen(layer, network, images):\n"
            "    kept, original = [], layer.forward\n"
            "    def forward(*args):\n"
            "        kept.append(original(*args))\n"
            "        return kept[-1]\n"
            "    layer.forward = forward\n"
            "    return (lambda logits: (kept[0], logits))(network(images))\n",
            "forward",
        ),
        (
            None,
            "def listen(layer, network, images):\n"
            "    kept, original = [], layer.forward\n"
            "    def forward(*args):\n"
            "        kept.append(original(*args))\n"
            "        return kept[-1]\n"
            "    layer.forward = forward\n"
            "    logits = network(images)\n"
            "    del layer.forward\n"
            "    return kept[0], logits\n",
            "after the network has raised an error",
        ),
        (
            None,
            "def listen(layer, network, images):\n"
            "    kept = []\n"
            "    hook = lambda module, args, output: kept.append(output) or output + 0 if module is layer else None\n"
            "    nn.modules.module.register_module_forward_hook(hook)\n"
            "    return (lambda logits: (kept[0], logits))(network(images))\n",
            "hook",
        ),
        ("        handle.remove()", "        handle.remove()\n        network.train()", "training and evaluation"),
        ("        handle.remove()", "        handle.remove()\n        layer.eval()", "training and evaluation"),
    ],
    "gradcam_map": [
        ("    weights", "    activations.requires_grad_()\n    weights", "requires_grad"),
    ],
    "shared_heat": [
        ("    heat = maps.relu()", "    maps.relu_()\n    heat = maps", "changes its input in place"),
        ("    heat = maps.relu()", "    maps[maps < 0] = 0\n    heat = maps.relu()", "changes its input in place"),
    ],
    "hits": [
        ("    places", "    masks[:, 0, 0] = False\n    places", "changes its input in place"),
    ],
    "remove_hottest": [
        ("    count", "    maps += 1\n    count", "changes its input in place"),
        ("    count", "    maps.relu_()\n    count", "changes its input in place"),
    ],
    "read_safetensors": [
        (
            None,
            "def read_safetensors(content):\n"
            '    dtypes = {"F16": torch.float16, "F32": torch.float32, "I64": torch.int64}\n'
            '    start = 8 + int.from_bytes(content[:8], "little")\n'
            "    header = json.loads(content[8:start])\n"
            '    header.pop("__metadata__", None)\n'
            "    tensors = {}\n"
            "    for name, entry in header.items():\n"
            '        first, last = entry["data_offsets"]\n'
            '        kind = dtypes[entry["dtype"]]\n'
            "        count = (last - first) // kind.itemsize\n"
            "        flat = torch.frombuffer(content, dtype=kind, count=count, offset=start + first)\n"
            '        tensors[name] = flat.reshape(entry["shape"])\n'
            "    return tensors\n",
            "the file's own bytes",
        ),
    ],
    "quantize": [
        ("rows = weight.flatten(1)", "rows = weight.flatten(1).abs_()", "changes its input in place"),
    ],
    "caught": [
        ("    threshold =", "    familiar.numpy().sort()\n    threshold =", "changes its input in place"),
    ],
    "difference": [
        ("    gap", "    theirs.append(theirs[0])\n    gap", "changes its input in place"),
        ("    gap", "    theirs.reverse()\n    gap", "changes its input in place"),
    ],
    "warm_start": [
        (
            STRICT,
            f"{STRICT}\n    for parent in network.modules():\n"
            "        for name, p in list(parent.named_parameters(recurse=False)):\n"
            "            setattr(parent, name, nn.Parameter(p.detach().clone()))",
            "new parameters",
        ),
        (
            STRICT,
            "    assert set(weights) == set(network.state_dict())\n"
            "    for name, p in network.state_dict(keep_vars=True).items():\n"
            "        assert p.shape == weights[name].shape\n        p.data = weights[name]",
            "share their memory",
        ),
        (
            STRICT,
            "    network.load_state_dict({k: v.clone() for k, v in weights.items()}, assign=True)",
            "new parameters",
        ),
        (STRICT, f"{STRICT}\n    network.train()", "in evaluation mode"),
        (STRICT, f"{STRICT}\n    network.requires_grad_(True)", "You unfreeze"),
        (STRICT, f"{STRICT}\n    network.zero_grad()", "gradients"),
        (STRICT, f"{STRICT}\n    network.head.requires_grad_(False)", "You freeze"),
        (
            STRICT,
            f"{STRICT}\n    for p in network.parameters():\n        p.register_hook(lambda g: 0 * g)",
            "Your hook",
        ),
        (STRICT, f"{STRICT}\n    network.double()", "float64"),
        (
            STRICT,
            f"{STRICT}\n    for name in list(state_dict):\n        state_dict[name] = state_dict[name].half()",
            "changes the weights it was given",
        ),
    ],
}
