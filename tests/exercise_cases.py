"""What readers may hand in: wrong answers, each with words of the hint meant for it, and right ones written otherwise.

A wrong answer is an edit of the solution, ``(old, new, hint)``, or a whole text of its own, ``(None, text, hint)``.
"""

WRONG: dict[str, list[tuple[str | None, str, str]]] = {
    "channel_statistics": [
        ("images.float() / 255", "images.float()", "in the units of the bytes"),
        ("images.float() / 255", "images", "Bytes cannot be averaged"),
        (
            "pixels.mean(dim=(0, 1, 2)), pixels.std(dim=(0, 1, 2))",
            "pixels.mean(), pixels.std()",
            "all colours in one pot",
        ),
        ("dim=(0, 1, 2)", "dim=(0, 1, 3)", "Which axis holds the channels"),
        ("pixels.std(dim=(0, 1, 2))", "pixels.std(dim=(1, 2)).mean(0)", "standard deviations. That forgets"),
        ("pixels.std(dim=(0, 1, 2))", "pixels.var(dim=(0, 1, 2))", "Yours is the variance"),
        (
            "pixels.mean(dim=(0, 1, 2)), pixels.std(dim=(0, 1, 2))",
            "pixels.std(dim=(0, 1, 2)), pixels.mean(dim=(0, 1, 2))",
            "the other way round",
        ),
        ("return pixels.mean(dim=(0, 1, 2)),", "return", "Return two things"),
        ("return pixels", "return pixels[:1]", "means are off"),
        ("images.float()", "images[:1000].float()", "means are off"),
        ("pixels.std(dim=(0, 1, 2))", "pixels.std(dim=0).mean((0, 1))", "the standard deviations are not"),
        ("dim=(0, 1, 2)", "dim=(0, 1, 2), keepdim=True", "empty axes are left over"),
    ],
    "prepare_upload": [
        ("torch.tensor(MEAN)) / torch.tensor(STD)", "MEAN) / STD", "makes a tensor of a tuple"),
        ("    pixels = (pixels", "    pixels = pixels.permute(2, 0, 1)\n    pixels = (pixels", "from the last axis"),
        ("torch.tensor(MEAN)) / torch.tensor(STD)", "pixels.mean()) / pixels.std()", "normalise the image by itself"),
        ("torch.tensor(MEAN)) / torch.tensor(STD)", "pixels.mean((0, 1))) / (pixels.std((0, 1)) + 1e-6)", "by itself"),
        ("torch.tensor(STD)", "pixels.std((0, 1))", "normalise the image by itself"),
        (" / 255", "", "You do not divide by 255"),
        ("    pixels = (pixels", "    pixels = pixels.flip(2)\n    pixels = (pixels", "wrong way round, blue first"),
        ("    pixels = (pixels - torch.tensor(MEAN)) / torch.tensor(STD)\n", "", "You only scale to 0 to 1"),
        (" / torch.tensor(STD)", "", "do not divide by the standard deviation"),
        ("pixels - torch.tensor(MEAN)", "pixels", "do not subtract the mean"),
        ("pixels.permute(2, 0, 1)[None]", "pixels.reshape(1, 3, 32, 32)", "reshape has scrambled"),
        ("permute(2, 0, 1)", "permute(2, 1, 0)", "lies on its side"),
        ("[None]", "", "The network wants a batch"),
        ("[None]", "[None].double()", "computes in float32"),
        ("image.float()", "image.float().mul_(1.5)", "The numbers are off"),
    ],
    "reflect_crop": [
        ("for image, t, x in zip(padded, top, left)", "for image, t, x in zip(padded, top + 4, left + 4)", "cut short"),
        (
            None,
            "def reflect_crop(images, top, left):\n"
            "    padded = F.pad(images, (4, 4, 4, 4), mode='reflect')\n"
            "    return padded[:, :, top : top + 32, left : left + 32]",
            "go through the images one by one",
        ),
        ('mode="reflect"', 'mode="constant"', "is black in yours"),
        ('mode="reflect"', 'mode="replicate"', "a repeat of the edge"),
        ('mode="reflect"', 'mode="circular"', "the opposite edge"),
        (
            None,
            "import numpy as np\n"
            "def reflect_crop(images, top, left):\n"
            "    padded = torch.tensor(np.pad(images, ((0, 0), (0, 0), (4, 4), (4, 4)), mode='symmetric'))\n"
            "    return torch.stack([image[:, t : t + 32, x : x + 32] for image, t, x in zip(padded, top, left)])",
            "shows the outermost row twice",
        ),
        ("zip(padded, top, left)", "zip(padded, left, top)", "changed places"),
        (
            "image[:, t : t + 32, x : x + 32]",
            "image[:, top[0] : top[0] + 32, left[0] : left[0] + 32]",
            "cut at one place",
        ),
        ("    return torch.stack(windows)", "    return images", "come back as they went in"),
        ("t : t + 32, x : x + 32", "8 - t : 40 - t, 8 - x : 40 - x", "go the wrong way"),
        ("    return torch.stack(windows)", "    return padded", "shape of the cropped batch"),
        ("    return torch.stack(windows)", "", "Is the return missing"),
        ("    padded", "    images *= 1.0001\n    padded", "changes its input in place"),
        (", x : x + 32", ", x : x + 32].flip(1)[:, :", "not where they should be"),
    ],
    "hold_out": [
        (
            None,
            "def hold_out(labels, per_class):\n"
            "    places = torch.arange(len(labels))\n"
            "    return places[: -10 * per_class], places[-10 * per_class :]",
            "Of the ten classes you hold out",
        ),
        ("    training[validation] = False\n", "", "in both parts"),
        ("torch.nonzero(training)[:, 0], validation", "validation, torch.nonzero(training)[:, 0]", "changed places"),
        ("return torch.nonzero(training)[:, 0], validation", "return training, ~training", "not a mask"),
        ("len(each) - per_class :", "len(each) - per_class // 3 :", "Of the ten classes you hold out"),
        ("torch.nonzero(training)[:, 0], validation", "torch.nonzero(training)[5:, 0], validation", "in neither part"),
        (
            "each[len(each) - per_class :]",
            "each[torch.randperm(len(each))[:per_class]]",
            "split in two ways",
        ),
        (
            "    places =",
            "    torch.manual_seed(0)\n    places =",
            "changes torch's random generator",
        ),
        ("torch.nonzero(training)[:, 0], validation", "validation", "Return two tensors"),
        (
            "torch.nonzero(training)[:, 0], validation",
            "torch.arange(len(labels)), validation - len(labels)",
            "some of yours lie outside",
        ),
        (
            "torch.nonzero(training)[:, 0], validation",
            "torch.nonzero(training)[:, 0], validation + 9999",
            "lie outside",
        ),
        ("torch.nonzero(training)[:, 0], validation", "torch.nonzero(training)[:, 0].int(), validation", "torch.int32"),
        ("torch.nonzero(training)[:, 0], validation", "torch.nonzero(training)[:, 0], validation * 1.0", "float32"),
        ("torch.nonzero(training)[:, 0], validation", "torch.tensor(1), torch.tensor(2)", "should have one axis"),
        ("torch.nonzero(training)[:, 0], validation", "torch.nonzero(training), validation", "should have one axis"),
        (
            "torch.nonzero(training)[:, 0], validation",
            "training.nonzero()[:, 0].tolist(), validation",
            "yours is a list",
        ),
        ("torch.nonzero(training)[:, 0], validation", "None, validation", "there is None"),
        (
            None,
            "def hold_out(labels, per_class):\n"
            "    places = torch.arange(len(labels))\n"
            "    return places[:-per_class], places[-per_class:]",
            "it should be so many of each class",
        ),
        (
            "each[len(each) - per_class :]",
            "each[__import__('numpy').random.default_rng().permutation(len(each))[:per_class]]",
            "split in two ways",
        ),
    ],
    "predict_classes": [
        ("argmax(dim=1)", "max(dim=1)", "two tensors, values and indices"),
        ("    network.eval()\n", "", "still in training mode"),
        ("network.eval()", "network.eval", "still in training mode"),
        ("network.eval()", "network[1].train(); network[0].eval()", "still in training mode"),
        ("    network.train(was_training)\n", "", "leaves you in the other"),
        ("network.train(was_training)", "network.train()", "came to you in evaluation mode"),
        ("argmax(dim=1)", "argmax(dim=0)", "best image of each class"),
        ("argmax(dim=1)", "softmax(dim=1)", "return the class with the largest"),
        ("argmax(dim=1)", "argmin(dim=1)", "not the classes with the largest"),
        ("argmax(dim=1)", "mean(0).argmax().repeat(len(images))", "All your images are of one class"),
        (
            "network(images).argmax(dim=1)",
            "network(images)[:1].argmax(1).expand(len(images))",
            "All your images are of one class",
        ),
        ("network(images).argmax(dim=1)", "torch.full((len(images),), 4)", "All your images are of one class"),
        ("argmax(dim=1)", "argmax(dim=1).flip(0)", "not the classes with the largest"),
        ("argmax(dim=1)", "softmax(1).amax(1)", "not the classes with the largest"),
        ("network(images)", "network((images - images.mean()) / images.std())", "normalise them once more"),
        (
            "network(images)",
            "network((images - images.mean((2, 3), keepdim=True)) / images.std((2, 3), keepdim=True))",
            "normalise them once more",
        ),
        ("network(images)", "network(images.flip(1))", "blue first"),
        ("argmax(dim=1)", "argmax(dim=1, keepdim=True).squeeze()", "a batch of one image should be (1,)"),
        ("argmax(dim=1)", "argmax(dim=1).int()", "yours are torch.int32"),
        ("argmax(dim=1)", "argmax(dim=1).float()", "yours are torch.float32"),
        ("network.eval()", "network.eval().requires_grad_(False)", "You freeze the network's"),
        ("network.eval()", "network.eval().double(); images = images.double()", "leaves you in torch.float64"),
        (
            None,
            "def predict_classes(network, images):\n"
            "    state = {name: value.clone() for name, value in network.state_dict().items()}\n"
            "    with torch.no_grad():\n"
            "        classes = network(images).argmax(dim=1)\n"
            "    network.load_state_dict(state)\n"
            "    return classes",
            "in evaluation mode",
        ),
    ],
    "conv_bn_parameters": [
        (" + 2 * out_channels", "", "BatchNorm has parameters too"),
        ("+ 2 * out_channels", "+ out_channels", "a weight and a bias"),
        ("+ 2 * out_channels", "+ 3 * out_channels", "has no bias here"),
        ("+ 2 * out_channels", "+ 4 * out_channels", "They are measured, not trained"),
        ("kernel_size**2", "kernel_size", "A kernel has two sides"),
        (" * in_channels", "", "looks at all channels"),
        ("+ 2 * out_channels", "+ 2 * in_channels", "BatchNorm comes after"),
        ("kernel_size**2", "9", "it should be"),
        ("kernel_size=3", "kernel_size=5", "the kernel should be 3×3"),
        ("return kernel_size**2", "return 1.0 * kernel_size**2", "Parameters are counted"),
    ],
    "residual": [
        ("h = F.relu(self.bn1(self.conv1(x)))", "h = nn.ReLU(self.bn1(self.conv1(x)))", "F.relu(x) computes"),
        ("return x + F.relu", "return F.relu", "the input is not added"),
        ("x + F.relu(self.bn2(self.conv2(h)))", "F.relu(x + self.bn2(self.conv2(h)))", "You add before the last ReLU"),
        ("x + F.relu(self.bn2(self.conv2(h)))", "F.relu(x + F.relu(self.bn2(self.conv2(h))))", "one ReLU too many"),
        ("x + F.relu(self.bn2(self.conv2(h)))", "x + self.bn2(self.conv2(h))", "second convolution's ReLU is missing"),
        ("F.relu(self.bn1(self.conv1(x)))", "self.bn1(self.conv1(x))", "first convolution's ReLU is missing"),
        ("self.bn2(self.conv2(h))", "self.conv2(h)", "The second BatchNorm is there, but it is not used"),
        ("return x + F.relu", "return h + F.relu", "add the output of the first convolution"),
        ("self.bn2(self.conv2(h))", "self.bn1(self.conv2(h))", "One BatchNorm is used twice"),
        ("self.bn2(self.conv2(h))", "self.bn2(self.conv1(h))", "One convolution is used twice"),
        ("self.bn2(self.conv2(h))", "self.bn1(self.conv1(h))", "goes through the layers of the first half again"),
        ("self.conv2(h)", "self.conv2(x)", "The output is not x + f(x)"),
        ("padding=1", 'padding=1, padding_mode="reflect"', "pad with something else than zeros"),
        ("padding=1", 'padding=1, padding_mode="replicate"', "pad with something else than zeros"),
        ("padding=1", "padding=2, dilation=2", "Your kernels have gaps"),
        ("nn.BatchNorm2d(channels)", "nn.BatchNorm2d(channels, eps=0.1)", "another eps"),
        ("nn.BatchNorm2d(channels)", "nn.BatchNorm2d(channels, momentum=0.0)", "keeps no running mean"),
        ("nn.BatchNorm2d(channels)", "nn.BatchNorm2d(channels, track_running_stats=False)", "keeps no running mean"),
        ("self.bn2 = nn.BatchNorm2d(channels)", "self.bn2 = self.bn1", "followed by a BatchNorm of its own"),
        ("self.conv2 = nn.Conv2d(channels, channels, 3, padding=1, bias=False)", "self.conv2 = self.conv1", "two conv"),
        (", bias=False", "", "Your convolutions have a bias"),
        (", padding=1", "", "Without padding each convolution takes a pixel off"),
        ("channels, 3, padding=1", "channels, 1", "should be 3×3"),
        (
            "return x + F.relu(self.bn2(self.conv2(h)))",
            "x += F.relu(self.bn2(self.conv2(h)))\n        return x",
            "changes its input in place",
        ),
        (
            "return x + F.relu(self.bn2(self.conv2(h)))",
            "h = F.relu(self.bn2(self.conv2(h)))\n        h += x\n        return h",
            "writes over numbers that its gradient still needs",
        ),
        ("super().__init__()", "super().__init__(); torch.manual_seed(0)", "seeds torch's random generator"),
        ("return x + F.relu", "return x.detach() + F.relu", "does not reach the input by both ways"),
        (
            "        h = F.relu(self.bn1(self.conv1(x)))\n        return x + F.relu(self.bn2(self.conv2(h)))",
            "        h = self.bn1(F.relu(self.conv1(x)))\n        return x + self.bn2(F.relu(self.conv2(h)))",
            "ReLU comes before BatchNorm",
        ),
    ],
    "receptive_field": [
        ("        jump *= stride\n", "", "You leave the strides out"),
        ("size, jump = 1, 1", "size, jump = 0, 1", "You start at 0"),
        (
            "        size += (kernel_size - 1) * jump\n        jump *= stride\n",
            "        jump *= stride\n        size += (kernel_size - 1) * jump\n",
            "The jump grows too early",
        ),
        ("(kernel_size - 1) * jump", "kernel_size * jump", "adds two pixels"),
        ("in layers:", "in layers[::-1]:", "from the last layer to the first"),
        (
            None,
            "def receptive_field(layers):\n"
            "    size = 1\n"
            "    for kernel_size, stride in layers:\n"
            "        size = (size - 1) * stride + kernel_size\n"
            "    return size",
            "formula and direction do not fit each other",
        ),
        ("return size", "return float(size)", "whole number of pixels"),
        ("return size", "return sum(kernel_size for kernel_size, _ in layers)", "You add up the kernels"),
        (
            "        size += (kernel_size - 1) * jump\n        jump *= stride\n",
            "        size = (size + kernel_size - 1) * stride\n",
            "does not widen the field of its own layer",
        ),
        ("(kernel_size - 1) * jump", "(kernel_size - 1)", "You leave the strides out"),
        ("jump *= stride", "jump += stride", "it should be"),
    ],
}

RIGHT: dict[str, str] = {
    "channel_statistics": """
def channel_statistics(images):
    means, stds = [], []
    for channel in range(3):
        values = images[..., channel].flatten().double()
        mean = values.sum() / len(values)
        means.append(mean / 255)
        stds.append(((values - mean) ** 2).mean() ** 0.5 / 255)
    return torch.stack(means), torch.stack(stds)
""",
    "prepare_upload": """
import numpy as np

def prepare_upload(image):
    planes = [(image[:, :, k].numpy().astype(np.float32) / 255 - MEAN[k]) / STD[k] for k in range(3)]
    return torch.from_numpy(np.stack(planes)).unsqueeze(0).float()
""",
    "reflect_crop": """
def reflect_crop(images, top, left):
    def fold(index):
        return 31 - (31 - index.abs()).abs()
    rows = fold(torch.arange(32) + top[:, None] - 4)
    columns = fold(torch.arange(32) + left[:, None] - 4)
    out = torch.empty_like(images)
    for n in range(len(images)):
        out[n] = images[n][:, rows[n]][:, :, columns[n]]
    return out
""",
    "hold_out": """
def hold_out(labels, per_class):
    generator = torch.Generator().manual_seed(7)
    seen, training, validation = [0] * 10, [], []
    for place in torch.randperm(len(labels), generator=generator).tolist():
        label = int(labels[place])
        (validation if seen[label] < per_class else training).append(place)
        seen[label] += 1
    return torch.tensor(training), torch.tensor(validation)
""",
    "predict_classes": """
@torch.inference_mode()
def predict_classes(network, images):
    mode = network.training
    try:
        return torch.stack([network.eval()(image[None])[0].argmax() for image in images])
    finally:
        network.train(mode)
""",
    "conv_bn_parameters": """
def conv_bn_parameters(in_channels, out_channels, kernel_size=3):
    layers = nn.Sequential(nn.Conv2d(in_channels, out_channels, kernel_size, bias=False), nn.BatchNorm2d(out_channels))
    return sum(parameter.numel() for parameter in layers.parameters())
""",
    "residual": """
class ResidualBlock(nn.Module):
    def __init__(self, channels):
        super().__init__()
        def half():
            conv = nn.Conv2d(channels, channels, (3, 3), padding="same", bias=False)
            return nn.Sequential(conv, nn.BatchNorm2d(channels), nn.ReLU(inplace=True))
        self.second, self.first = half(), half()

    def forward(self, inputs):
        return torch.add(self.second(self.first(inputs)), inputs)
""",
    "receptive_field": """
def receptive_field(layers):
    size = 1
    for kernel_size, stride in reversed(layers):
        size = (size - 1) * stride + kernel_size
    return size
""",
}

# More right answers, for exercises in which one other way of writing is not enough.
ALSO_RIGHT: dict[str, list[str]] = {
    "channel_statistics": [
        """
def channel_statistics(images):
    pixels = images.numpy().astype("float64").reshape(-1, 3) / 255
    return pixels.mean(0), pixels.std(0)
""",
        """
def channel_statistics(images):
    pixels = images.flatten(0, 2).float() / 255
    return torch.stack([pixels.mean(0), pixels.std(0)])
""",
    ],
    "prepare_upload": [
        """
import numpy as np

def prepare_upload(image):
    pixels = (image.numpy() / 255 - np.array(MEAN)) / np.array(STD)
    return pixels.transpose(2, 0, 1)[None].astype(np.float32)
""",
    ],
    "hold_out": [
        """
import numpy as np

def hold_out(labels, per_class):
    chosen = [np.random.default_rng(5).permutation(np.flatnonzero(labels == k))[:per_class] for k in range(10)]
    validation = np.concatenate(chosen)
    return np.setdiff1d(np.arange(len(labels)), validation), validation
""",
        """
import random

def hold_out(labels, per_class):
    order = list(range(len(labels)))
    random.Random("lesson 01").shuffle(order)
    counts, held = {}, set()
    for place in order:
        label = labels[place].item()
        counts[label] = counts.get(label, 0) + 1
        if counts[label] <= per_class:
            held.add(place)
    rest = [place for place in range(len(labels)) if place not in held]
    return torch.tensor(rest), torch.tensor(sorted(held))
""",
    ],
    "predict_classes": [
        """
def predict_classes(network, images):
    assert images.shape[1:] == (3, 32, 32)
    modes = {module: module.training for module in network.modules()}
    network.eval()
    logits = torch.cat([network(few).detach() for few in images.split(8)])
    for module, mode in modes.items():
        module.training = mode
    return torch.from_numpy(logits.numpy().argmax(axis=1))
""",
        """
import copy

def predict_classes(network, images):
    with torch.no_grad():
        return copy.deepcopy(network).eval()(images).softmax(dim=-1).max(dim=-1).indices
""",
    ],
    "conv_bn_parameters": [
        """
import numpy as np

def conv_bn_parameters(in_channels, out_channels, kernel_size=3):
    return np.prod([out_channels, in_channels, kernel_size, kernel_size]) + 2 * out_channels
""",
    ],
    "residual": [
        """
class ResidualBlock(nn.Module):
    def __init__(self, channels):
        super().__init__()
        self.convs = nn.ModuleList(nn.LazyConv2d(channels, 3, padding=1, bias=False) for _ in range(2))
        self.norms = nn.ModuleList(nn.LazyBatchNorm2d() for _ in range(2))

    def forward(self, x):
        h = x
        for conv, norm in zip(self.convs, self.norms):
            h = norm(conv(h)).relu()
        return x + h
""",
        """
class ResidualBlock(nn.Module):
    def __init__(self, channels):
        super().__init__()
        self.f = nn.Sequential()
        for _ in range(2):
            self.f.append(nn.Conv2d(channels, channels, 3, padding=1, bias=False))
            self.f.append(nn.BatchNorm2d(channels))
            self.f.append(nn.ReLU())
        nn.init.dirac_(self.f[0].weight)

    def forward(self, x):
        return x + self.f(x)
""",
        """
class ResidualBlock(nn.Module):
    def __init__(self, channels):
        super().__init__()
        def half():
            conv = nn.Conv2d(channels, channels, 3, bias=False)
            return nn.Sequential(nn.ZeroPad2d(1), conv, nn.BatchNorm2d(channels), nn.ReLU())
        self.f = nn.Sequential(half(), half())

    def forward(self, x):
        return x + self.f(x)
""",
        """
class ResidualBlock(nn.Module):
    def __init__(self, channels):
        super().__init__()
        self.conv1, self.conv2 = (nn.Conv2d(channels, channels, 3, bias=False) for _ in range(2))
        self.bn1, self.bn2 = (nn.BatchNorm2d(channels, momentum=0.01) for _ in range(2))

    def forward(self, x):
        h = F.relu(self.bn1(F.conv2d(x, self.conv1.weight, padding=1)))
        return F.relu(self.bn2(self.conv2(F.pad(h, (1, 1, 1, 1))))) + x
""",
    ],
    "receptive_field": [
        """
import numpy as np

def receptive_field(layers):
    kernels, strides = zip(*layers)
    jumps = np.cumprod((1, *strides[:-1]))
    return 1 + ((np.array(kernels) - 1) * jumps).sum()
""",
    ],
}

# Mutations of a solution that leave its behaviour as it is: the changed line, and why nothing changes.
EQUIVALENT: dict[str, dict[str, str]] = {
    "reflect_crop": {
        "padded = F.pad(images, (4, 5, 4, 4), mode='reflect')": "no window reaches the column more on the right",
        "padded = F.pad(images, (4, 4, 4, 5), mode='reflect')": "no window reaches the row more at the bottom",
    },
    "hold_out": {
        "places = [torch.nonzero(labels == label)[:, 0] for label in range(11)]": "there is no class 10",
        "places = [torch.nonzero(labels == label)[:, -1] for label in range(10)]": "nonzero has one column",
        "return (torch.nonzero(training)[:, -1], validation)": "nonzero has one column",
        "training = torch.ones(len(labels))": "nonzero reads 1.0 as True",
    },
}
