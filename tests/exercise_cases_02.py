"""What readers may hand in for the long exercise of lesson 02, in the form of ``exercise_cases.py``."""

_NO_GRAD = "            with torch.no_grad():\n"
_MEAN = "                self.running_mean.lerp_(mean, 0.1)\n"
_VAR = "                self.running_var.lerp_(x.var(dim=(0, 2, 3)), 0.1)\n"
_LAST = "        return x * scale[:, None, None] + shift[:, None, None]"

WRONG: dict[str, list[tuple[str | None, str, str]]] = {
    "batch_norm": [
        ("x.var(dim=(0, 2, 3), correction=0)", "x.var(dim=(0, 2, 3))", "with n - 1. The batch is all there is"),
        ("self.running_var.lerp_(x.var(dim=(0, 2, 3)), 0.1)", "self.running_var.lerp_(var, 0.1)", "a fair guess"),
        (
            "self.running_var.lerp_(x.var(dim=(0, 2, 3)), 0.1)",
            "self.running_var.lerp_(x.std(dim=(0, 2, 3)), 0.1)",
            "running_var: you average standard deviations",
        ),
        ("lerp_(mean, 0.1)", "lerp_(mean, 0.9)", "running_mean: old and new have changed their shares"),
        ("lerp_(mean, 0.1)", "copy_(mean)", "running_mean: you replace it"),
        ("lerp_(mean, 0.1)", "add_(0.1 * mean)", "running_mean: you add a tenth of the new"),
        ("lerp_(mean, 0.1)", "lerp_(mean, 0.2)", "running_mean is not what it should be"),
        (_MEAN, "", "running_mean: you never update it"),
        (_VAR, "", "running_var: you never update it"),
        ("if self.training:", "if not self.training:", "normalise by the running averages. They are for evaluation"),
        ("if self.training:", "if True:", "In evaluation mode your layer still moves"),
        ("            mean = x.mean(dim=(0, 2, 3))\n", "", "The mean is not subtracted"),
        ("(var + 1e-5).sqrt()", "(var + 1e-5)", "divide by its root"),
        ("(var + 1e-5).sqrt()", "(var.sqrt() + 1e-5)", "eps belongs under the root"),
        ("(var + 1e-5).sqrt()", "var.sqrt()", "eps is missing"),
        ("self.bias - mean * scale", "self.bias", "The mean is not subtracted"),
        ("self.bias - mean * scale", "-mean * scale", "The bias is not added"),
        ("self.weight / (var", "1 / (var", "The weight is not multiplied"),
        (
            _LAST,
            "        return (x - mean[:, None, None]) / (var + 1e-5).sqrt()[:, None, None]",
            "Weight and bias are there, but not used",
        ),
        (
            _LAST,
            "        if self.training:\n            d = (2, 3)\n"
            "            var = x.var(d, correction=0, keepdim=True)\n"
            "            y = (x - x.mean(d, keepdim=True)) / (var + 1e-5).sqrt()\n"
            "            return self.weight[:, None, None] * y + self.bias[:, None, None]\n" + _LAST,
            "each image's own mean",
        ),
        (
            _LAST,
            "        if self.training:\n            y = (x - x.mean()) / (x.var(correction=0) + 1e-5).sqrt()\n"
            "            return self.weight[:, None, None] * y + self.bias[:, None, None]\n" + _LAST,
            "Each channel has its own",
        ),
        (
            _NO_GRAD + _MEAN + _VAR,
            "            self.running_mean = 0.9 * self.running_mean + 0.1 * mean\n" + _NO_GRAD + _VAR,
            "hang on the graph",
        ),
        ("x.mean(dim=(0, 2, 3))", "x.mean(dim=(0, 2, 3)).detach()", "go back through mean and variance"),
        ("correction=0)", "correction=0).detach()", "go back through mean and variance"),
        ("return x * scale", "return x.detach() * scale", "go back through mean and variance"),
        (_LAST, _LAST.replace("return ", "return (") + ").detach()", "No gradient comes through"),
        ("scale = self.weight", "scale = self.weight.detach()", "reaches weight and bias"),
        (
            "        self.weight = nn.Parameter(torch.ones(channels))",
            "        self.weight = torch.ones(channels)",
            "weight is learned: make it an nn.Parameter",
        ),
        (
            'self.register_buffer("running_var", torch.ones(channels))',
            "self.running_var = torch.ones(channels)",
            "running_var is measured",
        ),
        (
            'self.register_buffer("running_mean", torch.zeros(channels))',
            "self.running_mean = nn.Parameter(torch.zeros(channels), requires_grad=False)",
            "running_mean is measured",
        ),
        (
            'self.register_buffer("running_var", torch.ones',
            'self.register_buffer("running_var", torch.zeros',
            "running_var should begin with 1",
        ),
        ("nn.Parameter(torch.ones(channels))", "nn.Parameter(torch.ones(1))", "The shape of weight"),
        ('self.register_buffer("running_mean"', 'self.register_buffer("mean"', "has no running_mean"),
        (None, "class BatchNorm(nn.BatchNorm2d):\n    pass\n", "PyTorch's own BatchNorm is in it"),
        (None, "def BatchNorm(channels):\n    return lambda x: x\n", "should be an nn.Module"),
        (
            _LAST,
            "        if not self.training:\n            mean, var = x.mean((0, 2, 3)), x.var((0, 2, 3), correction=0)\n"
            "            scale = self.weight / (var + 1e-5).sqrt()\n"
            "            shift = self.bias - mean * scale\n" + _LAST,
            "In evaluation mode you still normalise by the batch",
        ),
        (
            _LAST,
            "        if not self.training:\n            return x\n" + _LAST,
            "In evaluation mode the output is not that of the running averages",
        ),
        (
            "        return x * scale[:, None, None]",
            "        x *= scale[:, None, None]\n        return x",
            "input in place",
        ),
        (_LAST, "", "there is None"),
    ],
}

RIGHT: dict[str, str] = {
    "batch_norm": """
class BatchNorm(nn.Module):
    def __init__(self, channels, eps=1e-5):
        super().__init__()
        self.eps = eps
        self.weight, self.bias = nn.Parameter(torch.ones(channels)), nn.Parameter(torch.zeros(channels))
        self.register_buffer("running_mean", torch.zeros(channels))
        self.register_buffer("running_var", torch.ones(channels))

    def forward(self, inputs):
        rows = inputs.transpose(0, 1).flatten(1)
        if self.training:
            n = rows.shape[1]
            mean = rows.sum(dim=1) / n
            variance = ((rows - mean[:, None]) ** 2).sum(dim=1) / n
            self.running_mean = 0.9 * self.running_mean + 0.1 * mean.detach()
            self.running_var = 0.9 * self.running_var + 0.1 * variance.detach() * n / (n - 1)
        else:
            mean, variance = self.running_mean, self.running_var
        normal = (rows - mean[:, None]) * (variance[:, None] + self.eps) ** -0.5
        outputs = self.weight[:, None] * normal + self.bias[:, None]
        return outputs.view(inputs.shape[1], inputs.shape[0], *inputs.shape[2:]).transpose(0, 1)
""",
}

# Mutations of a solution that leave its behaviour as it is: the changed line, and why nothing changes.
EQUIVALENT: dict[str, dict[str, str]] = {}
