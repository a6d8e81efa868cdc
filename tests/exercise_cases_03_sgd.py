"""What readers may hand in for the optimiser of lesson 03, in the form of ``exercise_cases.py``."""

WRONG: dict[str, list[tuple[str | None, str, str]]] = {
    "sgd": [
        ("p -= ", "p += ", "go uphill"),
        ("g + self.momentum * v)", "g)", "no momentum in your step"),
        ("self.lr * (g + self.momentum * v)", "self.lr * v", "momentum without Nesterov"),
        (
            "            v.mul_(self.momentum).add_(g)\n            p -= self.lr * (g + self.momentum * v)",
            "            p -= self.lr * (g + self.momentum * v)\n            v.mul_(self.momentum).add_(g)",
            "momentum without Nesterov",
        ),
        ("(g + self.momentum * v)", "(g + v)", "goes by g + v"),
        ("v.mul_(self.momentum).add_(g)", "v = self.momentum * v + g", "Your velocity is forgotten"),
        ("p.grad + self.weight_decay * p", "p.grad", "no weight decay in your step"),
        ("p.grad + self", "p.grad - self", "lets the weights grow"),
        (
            "            g = p.grad + self.weight_decay * p\n",
            "            g = p.grad\n            p *= 1 - self.weight_decay\n",
            "shrink the weights by weight_decay",
        ),
        (
            "            g = p.grad + self.weight_decay * p\n",
            "            g = p.grad.add_(self.weight_decay * p)\n",
            "changes p.grad",
        ),
        ("p.grad + self.weight_decay * p\n", "p.grad\n            old = p.clone()\n", "no weight decay in your step"),
        (".add_(g)", ".add_((1 - self.momentum) * g)", "is an average"),
        (
            "            v.mul_(self.momentum).add_(g)\n            p -= self.lr * (g + self.momentum * v)",
            "            v.mul_(self.momentum).add_(self.lr * g)\n            p -= self.lr * g + self.momentum * v",
            "holds steps, with the learning rate in them",
        ),
        (
            None,
            """
class SGD:
    def __init__(self, parameters, lr, momentum, weight_decay):
        self.lr = lr

        def step():
            with torch.no_grad():
                for p, v in kept:
                    g = p.grad + weight_decay * p
                    v.mul_(momentum).add_(g)
                    p -= lr * (g + momentum * v)

        kept, self.step = [(p, torch.zeros_like(p)) for p in parameters], step
""",
            "You use the learning rate that you were given at first",
        ),
        ("            if p.grad is None:\n                continue\n", "", "whose grad is None"),
        ("                continue", "                return", "keeps yours from changing the others"),
        ("self.parameters = list(parameters)", "self.parameters = parameters", "changes nothing"),
        ("            p -= ", "            p = p - ", "changes nothing"),
        ("            p -= ", "            p.grad = None\n            p -= ", "throws the gradients away"),
        ("self.lr, self.momentum", "self.rate, self.momentum", "yours has none"),
        ("    def step(self)", "    def steps(self)", "has no step()"),
        ("    @torch.no_grad()\n", "", "under torch.no_grad() only"),
        (
            "self.velocities = [torch.zeros_like(p) for p in",
            "self.velocities = [torch.ones_like(p) for p in",
            "are not where torch",
        ),
        (
            "            p -= self.lr * (g + self.momentum * v)",
            "            p -= self.lr * (g + self.momentum * v)\n            p.requires_grad_(False)",
            "no longer asks for its gradient",
        ),
    ],
}

RIGHT: dict[str, str] = {
    "sgd": """
class SGD:
    def __init__(self, parameters, lr, momentum, weight_decay):
        self.groups = [{"p": p, "v": 0.0} for p in parameters]
        self.lr = lr
        self.m, self.wd = momentum, weight_decay

    def step(self):
        for group in self.groups:
            p = group["p"]
            if p.grad is None:
                continue
            gradient = p.grad.detach() + self.wd * p.data
            group["v"] = self.m * group["v"] + gradient
            p.data = p.data - self.lr * (gradient + self.m * group["v"])
""",
}

ALSO_RIGHT: dict[str, list[str]] = {
    "sgd": [
        """
class SGD(torch.optim.SGD):
    def __init__(self, parameters, lr, momentum, weight_decay):
        super().__init__(parameters, lr, momentum, weight_decay=weight_decay, nesterov=momentum > 0)
        self.lr = lr

    def step(self):
        self.param_groups[0]["lr"] = self.lr
        super().step()
""",
        """
class SGD:
    def __init__(self, parameters, lr, momentum, weight_decay):
        self.parameters = tuple(parameters)
        self.lr, self.momentum, self.weight_decay = lr, momentum, weight_decay
        self.velocity = {}

    def step(self):
        with torch.no_grad():
            for p in self.parameters:
                if p.grad is not None:
                    g = p.grad.add(p, alpha=self.weight_decay)
                    old = self.velocity.get(p, torch.zeros(()))
                    self.velocity[p] = new = old * self.momentum + g
                    p.sub_(self.lr * (g + self.momentum * new))
""",
    ],
}
