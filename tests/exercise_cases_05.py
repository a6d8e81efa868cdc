"""What readers may hand in for lesson 05's exercises; how to read this stands in ``exercise_cases.py``."""

WRONG: dict[str, list[tuple[str | None, str, str]]] = {
    "listen": [
        ("        handle.remove()", "        pass", "is still there when your function has returned"),
        (
            "    try:\n        logits = network(images)\n    finally:\n        handle.remove()\n",
            "    logits = network(images)\n    handle.remove()\n",
            "is still there after the network has raised an error",
        ),
        ("kept.append(output)", "kept.append(output.detach())", "no gradient can flow"),
        ("kept.append(output)", "kept.append(output.clone())", "do not come from these activations"),
        ("kept.append(output)", "kept.append(args[0])", "That is what goes in"),
        ("kept.append(output)", "kept.append(args)", "Make the layer's output a tensor"),
        ("handle = layer", "handle = network[2]", "not what this layer puts out"),
        ("return kept[0], logits", "return logits, kept[0]", "changed places"),
        ("return kept[0], logits", "return kept[0]", "Return two things"),
        ("return kept[0], logits", "return kept, logits", "Make the layer's output a tensor"),
        ("    return kept[0], logits", "", "Is the return missing"),
        ("return kept[0], logits", "return kept[0], logits.softmax(1)", "should be the logits"),
        ("return kept[0], logits", "return kept[0], network(images)", "do not come from these activations"),
        (
            "        logits = network(images)\n",
            "        with torch.no_grad():\n            logits = network(images)\n",
            "no gradient can flow",
        ),
        ("    finally:\n", "    except ArithmeticError:\n        return\n    finally:\n", "swallows it"),
        ("    kept = []", "    kept = []\n    layer.register_forward_hook(lambda *_: None)", "is still there when"),
        (
            "    kept = []",
            "    kept = []\n    layer.register_full_backward_hook(lambda *_: None)",
            "is still there when",
        ),
        ("handle.remove()", "layer._forward_hooks.clear()", "Somebody else had put a hook there"),
        ("    kept = []", "    kept = []\n    network.eval()", "between training and evaluation"),
        ("    kept = []", "    kept = []\n    network.train()", "between training and evaluation"),
        (
            "def listen(layer, network, images):\n    kept = []",
            "def listen(layer, network, images, kept=[]):",
            "what an earlier call heard",
        ),
        ("output.clone()", "output.relu()", "without your hook"),
        ("output.clone()", "output", "written into the tensor that you keep"),
        ("        return output.clone()", "", "written into the tensor that you keep"),
        (
            "        kept.append(output)\n        return output.clone()",
            "        kept.append(output.clone())\n        return kept[0]",
            "written into the tensor that you keep",
        ),
    ],
    "gradcam_map": [
        (".relu()", "", "The negative values are still there"),
        ("(weights * activations).sum(dim=1).relu()", "(weights * activations).relu().sum(dim=1)", "cut off too early"),
        ("keepdim=True)", "keepdim=True).relu()", "You cut the weights off"),
        (", keepdim=True", "", "its two axes of places are gone"),
        ("gradients.mean(dim=(2, 3), keepdim=True)", "gradients", "That is HiRes-CAM"),
        (".sum(dim=1)", ".mean(dim=1)", "average over the channels"),
        ("gradients.mean(", "gradients.sum(", "the formula has their mean"),
        (".relu()", ".abs()", "You take the absolute value"),
        ("dim=(2, 3)", "dim=(0, 2, 3)", "weights of its own"),
        (
            None,
            "def gradcam_map(activations, gradients):\n"
            "    return (gradients * activations.mean(dim=(2, 3), keepdim=True)).sum(dim=1).relu()",
            "It is the other way round",
        ),
        ("(weights * activations)", "(-weights * activations)", "The sign is wrong"),
        (".sum(dim=1)", ".sum(dim=1, keepdim=True)", "One axis too many"),
        ("    return (", "    (", "Is the return missing"),
        (".relu()", ".relu().numpy()", "carry a gradient"),
        ("    weights", "    gradients *= 1.001\n    weights", "changes its input in place"),
        ("sum(dim=1)", "sum()", "shape of the maps"),
        (".relu()", ".relu() + 0.1", "The map is not right"),
        (
            None,
            "def gradcam_map(activations, gradients):\n"
            "    n, c, h, _ = activations.shape\n"
            "    weights = gradients.reshape(n, c, h * h).mean(2)\n"
            "    sums = torch.einsum('nc,nck->nk', weights, activations.reshape(n, c, h * h))\n"
            "    return sums.reshape(n, h, h).relu()",
            "works on square maps only",
        ),
        (
            None,
            "def gradcam_map(activations, gradients):\n"
            "    weights, (n, _, _, w) = gradients.mean((2, 3)), activations.shape\n"
            "    sums = torch.zeros(n, w, w)\n"
            "    for row in range(w):\n"
            "        for column in range(w):\n"
            "            sums[:, row, column] = (weights * activations[:, :, row, column]).sum(1)\n"
            "    return sums.relu()",
            "works on square maps only",
        ),
        (
            None,
            "def gradcam_map(activations, gradients):\n"
            "    weights, (n, _, h, w) = gradients.mean((2, 3)), activations.shape\n"
            "    sums = torch.zeros(n, h, h)\n"
            "    for row in range(h):\n"
            "        for column in range(h):\n"
            "            sums[:, row, column] = (weights * activations[:, :, row, column]).sum(1)\n"
            "    return sums.relu()",
            "The shape of the maps should be (3, 4, 5)",
        ),
        (
            "gradients.mean(dim=(2, 3), keepdim=True)",
            "gradients.sum(dim=(2, 3), keepdim=True) / gradients.shape[-1] ** 2",
            "You divide by w · w",
        ),
        (
            "gradients.mean(dim=(2, 3), keepdim=True)",
            "gradients.sum(dim=(2, 3), keepdim=True) / gradients.shape[-2] ** 2",
            "You divide by h · h",
        ),
        (
            None,
            "def gradcam_map(activations, gradients):\n"
            "    weights = gradients.numpy().mean((2, 3), keepdims=True)\n"
            "    return torch.from_numpy((weights * activations.numpy()).sum(1).clip(0))",
            "carry a gradient",
        ),
    ],
    "shared_heat": [
        (
            None,
            "def shared_heat(maps):\n"
            "    low, high = maps.amin((1, 2), keepdim=True), maps.amax((1, 2), keepdim=True)\n"
            "    return (maps - low) / (high - low)",
            "Each map is still stretched from its own least",
        ),
        (
            None,
            "def shared_heat(maps):\n"
            "    maps = maps.relu() - maps.relu().amin((1, 2), keepdim=True)\n"
            "    return maps / maps.amax((1, 2), keepdim=True).clamp(min=1e-7)",
            "divided by its own maximum",
        ),
        (
            None,
            "def shared_heat(maps):\n"
            "    heat = maps.relu()\n"
            "    return heat / heat.amax((1, 2), keepdim=True).clamp(min=1e-9)",
            "divided by its own maximum",
        ),
        ("heat / peak if peak > 0 else heat", "heat / peak", "nan or inf"),
        ("heat / peak if peak > 0 else heat", "heat", "not divided by anything"),
        ("heat = maps.relu()", "heat = maps", "The negative values are still there"),
        ("heat = maps.relu()", "heat = maps.abs()", "The absolute value"),
        ("heat = maps.relu()", "heat = maps - maps.min()", "Your least value becomes 0"),
        ("heat.max()", "heat.sum()", "You divide by the sum"),
        ("    return heat", "    heat", "Is the return missing"),
        ("maps.relu()", "maps.relu_()", "changes its input in place"),
        ("return heat / peak", "return 0.5 * heat / peak", "The maps are not right"),
        ("return heat / peak", "return heat.max(dim=0).values / peak", "shape of the maps"),
    ],
}

RIGHT: dict[str, str] = {
    "listen": """
def listen(layer, network, images):
    heard = {}

    def keep(module, args, output):
        output.retain_grad()
        heard["output"] = output
        return output + 0

    handle = layer.register_forward_hook(keep)
    with handle:
        logits = network(images)
    return heard["output"], logits
""",
    "gradcam_map": """
def gradcam_map(activations, gradients):
    n, channels, h, w = activations.shape
    out = torch.zeros(n, h, w)
    for k in range(channels):
        alpha = gradients[:, k].flatten(1).sum(1) / (h * w)
        out += torch.einsum("n,nhw->nhw", alpha, activations[:, k])
    return out.clamp(min=0)
""",
    "shared_heat": """
def shared_heat(maps):
    heat = torch.where(maps > 0, maps, torch.zeros(()))
    return heat / heat.flatten().topk(1).values.clamp(min=1e-12)
""",
}

EQUIVALENT: dict[str, dict[str, str]] = {
    "listen": {"return (kept[-1], logits)": "one output was kept, the first and the last"},
}
