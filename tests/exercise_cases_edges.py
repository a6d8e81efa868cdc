"""Wrong answers that only an edge shows: no item, one item, all alike, all above zero, ties, more than 255, faint.

How to read this stands in ``exercise_cases.py``.
"""

WRONG: dict[str, list[tuple[str | None, str, str]]] = {
    "channel_statistics": [
        ("images.float() / 255", "images[:5000].float() / 255", "means are off"),
        ("images.float() / 255", "images[:, :6, :8].float() / 255", "means are off"),
        (
            "pixels.std(dim=(0, 1, 2))",
            "(pixels.square().mean((0, 1, 2)) - pixels.mean((0, 1, 2)).square() - 1e-7).sqrt()",
            "its standard deviation is 0",
        ),
        ("pixels.std(dim=(0, 1, 2))", "pixels.std(dim=(0, 1, 2)).clamp(min=0.05)", "its standard deviation is 0"),
        ("    pixels =", "    images = images.squeeze()\n    pixels =", "one number for the mean"),
    ],
    "prepare_upload": [
        ("image.float() / 255", "image.float() / image.max()", "brightest"),
        (
            "image.float() / 255",
            "(image.float() - image.min()) / (image.max() - image.min())",
            "You stretch the image",
        ),
        ("    return", "    pixels = pixels.clamp(-2, 2)\n    return", "The numbers are off"),
        ("image.float()", "image.char().float()", "from 128 on"),
        (
            "    return",
            "    if image.float().std() == 0:\n        return torch.zeros(1, 3, 32, 32)\n    return",
            "plain",
        ),
    ],
    "reflect_crop": [
        ("torch.stack(windows)", "torch.stack(windows).squeeze()", "a batch of one"),
        ("torch.stack(windows)", "torch.stack(windows).clamp(0, 1)", "below 0 or above 1"),
        ("torch.stack(windows)", "torch.stack(windows).abs()", "below 0 or above 1"),
        ("zip(padded, top, left)", "zip(padded[:9], top, left)", "shape of the cropped batch"),
        ("torch.stack(windows)", "torch.stack(windows).double()", "torch.float64"),
        ("torch.stack(windows)", "torch.stack(windows).half().float()", "not where they should be"),
        (
            "    windows",
            "    if len(images) == 1:\n        return images\n    windows",
            "come back as they went in",
        ),
    ],
    "hold_out": [
        ("each[len(each) - per_class :]", "each[-per_class:]", "With per_class = 0"),
        (
            None,
            "def hold_out(labels, per_class):\n"
            "    last = torch.arange(len(labels))[-200:]\n"
            "    held = [last[labels[last] == k][:per_class] for k in range(10)]\n"
            "    validation = torch.cat(held)\n"
            "    training = torch.ones(len(labels), dtype=torch.bool)\n"
            "    training[validation] = False\n"
            "    return torch.nonzero(training)[:, 0], validation",
            "Of the ten classes you hold out",
        ),
        (
            None,
            "def hold_out(labels, per_class):\n"
            "    starts = torch.bincount(labels, minlength=10).cumsum(0)\n"
            "    order = labels.argsort(stable=True)\n"
            "    validation = torch.cat([order[end - per_class : end] for end in starts.tolist()])\n"
            "    keep = torch.ones(len(labels), dtype=torch.bool)\n"
            "    keep[validation] = False\n"
            "    return torch.nonzero(keep).squeeze(), validation.squeeze(0)[: max(1, 10 * per_class)]",
            "should have one axis",
        ),
        ("torch.nonzero(training)[:, 0], validation", "labels[training], labels[validation]", "These are the labels"),
        (
            "torch.nonzero(training)[:, 0], validation",
            "torch.nonzero(training)[:, 0], labels[validation]",
            "the labels",
        ),
        (
            "    training[validation] = False\n",
            "    training[validation] = False\n    training[labels == labels.min()] &= per_class < 7\n",
            "in neither part",
        ),
    ],
    "predict_classes": [
        ("network(images).argmax(dim=1)", "network(images).sigmoid().argmax(dim=1)", "saturate"),
        ("network(images).argmax(dim=1)", "network(images).exp().argmax(dim=1)", "saturate"),
        ("network(images).argmax(dim=1)", "network(images).squeeze().argmax(dim=-1)", "one image should be (1,)"),
    ],
    "conv_bn_parameters": [
        (
            "return kernel_size**2 * in_channels * out_channels + 2 * out_channels",
            "count = torch.tensor([kernel_size, kernel_size, in_channels, out_channels]).float().prod()\n"
            "    return int(count + 2 * out_channels)",
            "it should be",
        ),
        (
            "return kernel_size**2 * in_channels * out_channels + 2 * out_channels",
            "return kernel_size**2 * in_channels * out_channels + 2 * max(out_channels, 4)",
            "it should be",
        ),
        (
            "return kernel_size**2 * in_channels * out_channels + 2 * out_channels",
            "if in_channels == 1:\n        return kernel_size**2 * out_channels\n"
            "    return kernel_size**2 * in_channels * out_channels + 2 * out_channels",
            "it should be",
        ),
    ],
    "residual": [
        (
            "return x + F.relu(self.bn2(self.conv2(h)))",
            "return (x + F.relu(self.bn2(self.conv2(h)))).squeeze()",
            "shape",
        ),
        (
            "return x + F.relu",
            "if len(x) == 1:\n            return x\n        return x + F.relu",
            "The output is not x + f(x)",
        ),
        (
            "self.conv1 = nn.Conv2d(channels,",
            "self.conv1 = nn.Conv2d(max(channels, 2),",
            "ResidualBlock(1) should have 22",
        ),
    ],
    "receptive_field": [
        ("return size", "return size + 1", "You start one pixel too large"),
        ("size, jump = 1, 1", "size, jump = 2, 1", "You start one pixel too large"),
        ("return size", "return size % 256", "it should be"),
        ("return size", "return min(size, 32)", "it should be"),
        ("(kernel_size - 1) * jump", "kernel_size // 2 * 2 * jump", "even kernel"),
        ("        jump *= stride", "        jump *= min(stride, kernel_size)", "it should be"),
        ("in layers:", "in layers[:6]:", "it should be"),
        ("in layers:", "in dict.fromkeys(layers):", "it should be"),
    ],
    "smoothed_cross_entropy": [
        ("log_p = logits", "logits = logits.squeeze()\n    log_p = logits", "raised IndexError"),
        ("-log_p.mean()", "-log_p.clamp(min=-100).mean()", "very sure"),
        ("logits.log_softmax(dim=1)", "(logits.softmax(dim=1) + 1e-9).log()", "very sure"),
        ("    log_p = logits", "    logits = logits.clamp(-20, 20)\n    log_p = logits", "very sure"),
        (
            "-log_p.mean()",
            "-log_p.sum() / len(labels) / 10",
            "ten classes, however many",
        ),
        ("-log_p.mean()", "-log_p[:, : labels.max() + 1].mean()", "it should be"),
        (
            "return (1 - smoothing) * right + smoothing * everywhere",
            "return (1 - smoothing) * right + smoothing * everywhere if smoothing else log_p.mean() * 0",
            "it should be",
        ),
        (
            "-log_p.gather(1, labels[:, None]).mean()",
            "-(log_p * F.one_hot(labels)).sum(1).mean()",
            "raised RuntimeError",
        ),
    ],
    "one_cycle": [
        (
            "    if epoch > flat",
            "    if top <= epoch <= top + 0.5:\n        return 1.0\n    if epoch > flat",
            "it should be 0.979, but yours is 1.000",
        ),
        (
            "    if epoch < top:\n        return epoch / top\n",
            "    if epoch < top:\n        return min(1.0, epoch / (0.9 * top))\n",
            "it should be",
        ),
        ("return epoch / top", "return max(final_lr, epoch / top)", "never goes below final_lr"),
        (
            "    top, flat =",
            "    epoch = round(epoch, 1)\n    top, flat =",
            "it should be",
        ),
        (
            "    top, flat =",
            "    if epoch == epochs:\n        return 0.0\n    top, flat =",
            "not where they end",
        ),
        ("        return final_lr", "        return max(final_lr, 0.05)", "it should be"),
        ("return epoch / top", "return (epoch / top) ** 1.01", "it should be"),
        (
            "    if epoch > flat",
            "    if epoch > flat - 0.2 * (flat - top) * 0.2",
            "it should be",
        ),
    ],
    "run_schedule": [
        (
            "    rates = []",
            "    if epochs == 1:\n        return []\n    rates = []",
            "the optimiser should take",
        ),
        ("    for _ in range(epochs):", "    for _ in range(max(epochs, 2)):", "stepped more often"),
    ],
    "ema_update": [
        ("    kept =", "    every = min(every, 5)\n    kept =", "of the average remain"),
        ("    kept =", "    decay = max(decay, 0.5)\n    kept =", "of the average remain"),
        ("    kept =", "    decay = min(decay, 0.999)\n    kept =", "of the average remain"),
        ("    return kept", "    average, weights = average.squeeze(), weights.squeeze()\n    return kept", "shape"),
        ("    return kept", "    average = average.abs()\n    return kept", "of the average remain"),
        ("    kept =", "    if decay == 0:\n        return weights\n    kept =", "the very tensor"),
        ("    kept =", "    if decay == 1:\n        return average\n    kept =", "the very tensor"),
    ],
    "confusion_matrix": [
        ("    return counts", "    return counts.to(torch.uint8).long()", "255"),
        (
            "torch.zeros((num_classes, num_classes), dtype=torch.int64)",
            "torch.zeros(num_classes, num_classes).half()",
            "should be int64; yours is torch.float16",
        ),
        ("    return counts", "    return counts.to(torch.int8).long()", "With more than 255 images of a pair"),
        ("    counts =", "    num_classes = max(labels.max().item() + 1, num_classes)\n    counts =", "RuntimeError"),
        ("    counts =", "    if len(labels) == 1:\n        return labels\n    counts =", "shape of the matrix"),
        ("    return counts", "    return counts.squeeze()", "shape of the matrix"),
        ("    return counts", "    return (counts / len(labels) * len(labels)).round().long()", "no images"),
    ],
    "top_classes": [
        ("value) for", "round(value, 4)) for", "are rounded"),
        ("value) for", "float(f'{value:.3g}')) for", "are rounded"),
        (
            "    values, indices = probabilities.topk(n)",
            "    order = probabilities.argsort()[-n:].flip(0)\n    values, indices = probabilities[order], order",
            "Asked for n = 0",
        ),
        ("probabilities.topk(n)", "probabilities.squeeze().topk(n)", "raised"),
        ("probabilities.topk(n)", "probabilities.topk(max(n, 1))", "Asked for n = 0"),
        (
            "zip(indices.tolist(), values.tolist())",
            "(pair for pair in zip(indices.tolist(), values.tolist()) if pair[1] > 0)",
            "you return",
        ),
        (
            "zip(indices.tolist(), values.tolist())",
            "(pair for pair in zip(indices.tolist(), values.tolist()) if pair[1] > 0.01)",
            "return",
        ),
    ],
    "calibration_error": [
        ("range(bins)", "range(1, bins)", "should be"),
        ("range(bins)", "range(bins // 5, bins)", "should be"),
        ("    error = 0", "    if len(confidence) < 2:\n        return 0.0\n    error = 0", "should be"),
        ("inside.any()", "inside.sum() > 1", "one image"),
        ("    place =", "    confidence = confidence.clamp(max=0.999)\n    place =", "should be"),
        ("    place =", "    bins = max(bins, 2)\n    place =", "With 1 bins"),
        ("return error", "return round(error, 3)", "should be"),
        ("    place =", "    right = right ^ (confidence == 1)\n    place =", "should be"),
    ],
    "fit_temperature": [
        ("    losses", "    tries = tries[tries >= 1]\n    losses", "Do you search far enough"),
        ("    losses", "    tries = tries[tries <= 1]\n    losses", "Do you search far enough"),
        ("    losses", "    tries = tries[(tries > 0.5) & (tries < 5)]\n    losses", "Do you search far enough"),
        (".item()", ".round().item()", "rounded to a whole number"),
        ("F.cross_entropy(logits / t, labels)", "F.cross_entropy(logits / t, labels, label_smoothing=0.1)", "near"),
        ("F.cross_entropy(logits / t, labels)", "F.cross_entropy(logits[:100] / t, labels[:100])", "near"),
    ],
    "listen": [
        ("return kept[0], logits", "return kept[0].squeeze(), logits", "do not come from"),
    ],
    "gradcam_map": [
        (".relu()", ".relu().squeeze()", "shape of the maps"),
        (".sum(dim=1).relu()", ".sum(dim=1).relu().squeeze(-1)", "shape of the maps"),
        (
            "    return (weights * activations).sum(dim=1).relu()",
            "    maps = (weights * activations).sum(dim=1).relu()\n    return maps / maps.amax((1, 2), keepdim=True)",
            "nan or inf",
        ),
        (
            "    return (weights * activations).sum(dim=1).relu()",
            "    maps = (weights * activations).sum(dim=1).relu()\n"
            "    return maps / maps.amax((1, 2), keepdim=True).clamp(min=1e-9)",
            "by its own maximum",
        ),
        (
            "    return (weights * activations).sum(dim=1).relu()",
            "    maps = (weights * activations).sum(dim=1)\n    return maps - maps.amin((1, 2), keepdim=True)",
            "least value",
        ),
        (".relu()", ".clamp(0, 1)", "above 1"),
        (".relu()", ".clamp(min=1e-3)", "The map is not right"),
        (".mean(dim=(2, 3), keepdim=True)", ".amax(dim=(2, 3), keepdim=True)", "The map is not right"),
    ],
    "shared_heat": [
        (
            "    heat = maps.relu()\n    peak = heat.max()\n    return heat / peak if peak > 0 else heat",
            "    heat = maps.relu()\n    span = heat.max() - heat.min()\n"
            "    return (heat - heat.min()) / span if span > 0 else heat",
            "Your least value becomes 0, and whatever",
        ),
        (
            "    heat = maps.relu()\n    peak = heat.max()\n    return heat / peak if peak > 0 else heat",
            "    heat = maps.relu()\n    return (heat - heat.min()) / (heat.max() - heat.min()).clamp(min=1e-9)",
            "Your least value becomes 0",
        ),
        ("if peak > 0 else", "if peak > 1e-2 else", "Faint maps"),
        ("heat / peak if", "heat / (peak + 1e-6) if", "Faint maps"),
        ("heat / peak if", "heat / peak.clamp(min=1) if", "The maps are not right"),
        ("heat / peak if", "(heat / peak).squeeze() if", "shape of the maps"),
        ("if peak > 0 else heat", "if peak > 0 else torch.ones_like(heat)", "Where nothing speaks for any class"),
        (
            "    heat = maps.relu()\n",
            "    heat = maps.relu()\n    if heat.min() == heat.max():\n        return torch.zeros_like(heat)\n",
            "all values are alike",
        ),
        (
            "    heat = maps.relu()\n",
            "    heat = (maps - maps.mean((1, 2), keepdim=True)).relu()\n",
            "The maps are not right",
        ),
    ],
    "energy_on_object": [
        ("total.where(total > 0, 1)", "(total + 1e-5)", "A faint map has a share"),
        ("total.where(total > 0, 1)", "total.clamp(min=1)", "The shares are not right"),
        (
            "return inside / total.where(total > 0, 1)",
            "return (inside / total.where(total > 0, 1)).squeeze()",
            "shape of",
        ),
        ("(maps * masks)", "(maps / maps.amax((1, 2), keepdim=True) * masks)", "The shares are not right"),
        (
            "    return inside",
            "    if masks.all():\n        return torch.zeros(len(maps))\n    return inside",
            "covers the whole image",
        ),
        ("(maps * masks)", "(maps.round() * masks)", "The shares are not right"),
        ("maps.sum(", "maps.clamp(max=255).sum(", "A strong map"),
    ],
    "hits": [
        ("> 0)", "> 0.01)", "A faint map points somewhere"),
        (
            None,
            "def hits(maps, masks):\n"
            "    wide = F.max_pool2d(masks[:, None].float(), 3, 1, 1)[:, 0] > 0\n"
            "    place = maps.flatten(1).argmax(1)\n"
            "    return wide.flatten(1)[torch.arange(len(maps)), place] & (maps.amax((1, 2)) > 0)",
            "beside the object",
        ),
        (
            None,
            "def hits(maps, masks):\n"
            "    rows = maps.flatten(1).argmax(1) // maps.shape[2]\n"
            "    return masks.any(2)[torch.arange(len(maps)), rows] & (maps.amax((1, 2)) > 0)",
            "the row alone",
        ),
        (
            None,
            "def hits(maps, masks):\n"
            "    columns = maps.flatten(1).argmax(1) % maps.shape[2]\n"
            "    return masks.any(1)[torch.arange(len(maps)), columns] & (maps.amax((1, 2)) > 0)",
            "the column alone",
        ),
        (
            None,
            "def hits(maps, masks):\n"
            "    hot = maps >= 0.9 * maps.amax((1, 2), keepdim=True)\n"
            "    return (hot & masks).flatten(1).any(1) & (maps.amax((1, 2)) > 0)",
            "nearly as hot",
        ),
        (
            None,
            "def hits(maps, masks):\n    return (maps * masks).sum((1, 2)) > 0.5 * maps.sum((1, 2))",
            "half of the heat",
        ),
        ("    return masks", "    return masks.squeeze()", "raised IndexError"),
        ("> 0)", "> maps.amin(dim=(1, 2)))", "values are all alike"),
    ],
    "compare": [
        ("len(difference) ** 0.5", "(len(difference) - 1) ** 0.5", "The interval is not right"),
        ("    half =", "    if (difference == 0).all():\n        return -1, 1\n    half =", "there is no spread"),
        ("difference.std()", "difference.std().clamp(min=1e-2)", "there is no spread"),
        ("difference.mean() - half", "difference.mean().abs() - half", "The interval is not right"),
        ("difference.std()", "difference.abs().std()", "The interval is not right"),
        ("difference = a - b", "difference = (a - b)[:100]", "The interval is not right"),
        ("1.96", "2.0", "The interval is not right"),
    ],
    "remove_hottest": [
        ("topk(count)", "topk(min(count, maps[0].numel() - 1))", "yours sets"),
        ("topk(count)", "abs().topk(count)", "below 0"),
        ("topk(count)", "relu().topk(count)", "The wrong pixels are gone"),
        (
            "    return images * kept.view_as(maps)[:, None]",
            "    return (images * kept.view_as(maps)[:, None]).squeeze(1)",
            "shape of the images",
        ),
        ("    hottest", "    count = max(1, count)\n    hottest", "With a share of 0"),
        ("    hottest", "    count = min(count, 40)\n    hottest", "yours sets"),
    ],
    "read_safetensors": [
        ("    return tensors", "    return {k: v for k, v in tensors.items() if v.ndim}", "The file holds"),
        ('.reshape(entry["shape"])', '.reshape(entry["shape"] or [1])', "but not its shape"),
        ('.reshape(entry["shape"])', '.reshape(entry["shape"]).squeeze()', "but not its shape"),
        ("    tensors = {}", "    header = dict(list(header.items())[:3])\n    tensors = {}", "The file holds"),
        ("json.loads(content[8:start])", 'json.loads(content[8:start].decode("ascii"))', "raised UnicodeDecodeError"),
        ("    tensors = {}", "    assert header\n    tensors = {}", "raised AssertionError"),
    ],
    "quantize": [
        ("rows / divisor[:, None]", "rows / scale[:, None]", "nothing but zeros"),
        ("scale = rows.abs().amax(1) / most", "scale = (rows.abs().amax(1) / most).clamp(min=1e-3)", "scales are not"),
        ("scale = rows.abs().amax(1) / most", "scale = rows.abs().amax(1) / most + 1e-6", "scales are not"),
        ("    return numbers", "    scale = scale.squeeze()\n    return numbers", "shape of the scales"),
        ("most = 2 ** (bits - 1) - 1", "most = max(2 ** (bits - 1) - 1, 3)", "as many steps"),
        (".round()", ".round().clamp(-most, most - 1)", "not the nearest"),
    ],
    "app_input": [
        ("    image", "    pixels = pixels[::2, ::2]\n    image", "pick a few"),
        ("    image", "    pixels = pixels[:64, :64]\n    image", "not the one in the middle"),
        (
            "    image",
            "    if min(pixels.shape[:2]) < 32:\n        return torch.zeros(1, 3, 32, 32)\n    image",
            "smaller than 32",
        ),
        (
            "    image",
            "    if min(pixels.shape[:2]) < 32:\n        raise ValueError('too small')\n    image",
            "smaller than 32",
        ),
        (
            "    image",
            "    if pixels.shape[0] > pixels.shape[1]:\n        pixels = pixels.transpose(1, 0, 2)\n    image",
            "lies on its side",
        ),
    ],
    "caught": [
        ("strange < threshold", "strange <= threshold", "exactly at the threshold"),
        (
            "return threshold.item(), (strange < threshold).float().mean().item()",
            "return (strange < threshold).float().mean().item(), threshold.item()",
            "changed places",
        ),
        ("familiar.quantile(share)", "familiar.quantile(max(share, 0.01))", "should lie below"),
        ("familiar.quantile(share)", "familiar.unique().quantile(share)", "the threshold lies between 3 and 5"),
        ("    return threshold.item()", "    return round(threshold.item())", "should lie below"),
    ],
    "difference": [
        ("return gap, error**0.5", "return round(gap, 6), error**0.5", "Yours is rounded"),
        ("return gap, error**0.5", "return gap, round(error**0.5, 6)", "Yours is rounded"),
        ("return gap, error**0.5", "return gap, max(error, 1e-9)**0.5", "alike"),
        (
            "    return gap",
            "    n, m = len(mine), len(theirs)\n"
            "    pooled = ((n - 1) * statistics.variance(mine) + (m - 1) * statistics.variance(theirs)) / (n + m - 2)\n"
            "    error = pooled * (1 / n + 1 / m)\n    return gap",
            "pool",
        ),
        ("    gap", "    mine, theirs = sorted(set(mine)), sorted(set(theirs))\n    gap", "twice"),
        ("    gap", "    mine, theirs = mine[:4], theirs[:4]\n    gap", "The gap should be"),
        ("return gap, error**0.5", "return gap, 1.96 * error**0.5", "The error should be"),
    ],
    "held_out": [
        ("image.numpy().tobytes()", "image[16].numpy().tobytes()", "one pixel"),
        ("image.numpy().tobytes()", "image[::2, ::2].numpy().tobytes()", "one pixel"),
        ("image.numpy().tobytes()", "image[4:12, 4:12].contiguous().numpy().tobytes()", "one pixel"),
        (
            None,
            "def held_out(images, share):\n    return images.long().sum((1, 2, 3)) % 1000 < 1000 * share",
            "places of their pixels",
        ),
        ("    return torch.tensor(chosen)", "    return torch.tensor(chosen).squeeze()", "shape of the mask"),
        ("< share)", "< min(share, 0.9))", "with a share of 1"),
        ("< share)", "< max(share, 0.05))", "with a share of 0"),
        (
            "    chosen = []",
            "    chosen = []\n    if len(images) == 1:\n        return torch.tensor([True])",
            "change sides",
        ),
    ],
}
