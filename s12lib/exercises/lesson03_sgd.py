"""The long exercise of lesson 03: the optimiser by hand, with momentum as Nesterov has it and with weight decay."""

from collections.abc import Iterable
from typing import Any

import torch
from torch import nn

from s12lib.exercises.expect import Mistake, close, recognise
from s12lib.exercises.judging import Exercise

STEPS = 5
RULE = "g = grad + weight_decay * w; v = momentum * v + g; w -= lr * (g + momentum * v)"
SETTINGS = {  # lr, momentum, decay
    "usual": (0.1, 0.9, 0.05),
    "strong": (0.3, 0.5, 0.4),
    "plain": (0.05, 0.0, 0.0),
    "no decay": (0.1, 0.8, 0.0),
}


class SGD:
    """Changes parameters in place by their gradients, with Nesterov's momentum and weight decay, as torch's does."""

    def __init__(self, parameters: Iterable[nn.Parameter], lr: float, momentum: float, weight_decay: float) -> None:
        self.parameters = list(parameters)
        self.lr, self.momentum, self.weight_decay = lr, momentum, weight_decay
        self.velocities = [torch.zeros_like(p) for p in self.parameters]

    @torch.no_grad()
    def step(self) -> None:
        for p, v in zip(self.parameters, self.velocities, strict=True):
            if p.grad is not None:
                g = p.grad + self.weight_decay * p
                v.mul_(self.momentum).add_(g)
                p.sub_(self.lr * (g + self.momentum * v))


def _start() -> list[nn.Parameter]:
    """Four parameters, two of one shape, always the same."""
    generator = torch.Generator().manual_seed(33)
    return [nn.Parameter(torch.randn(shape, generator=generator)) for shape in ((3, 2), (4,), (), (4,))]


def _gradients(parameters: Iterable[torch.Tensor], step: int) -> list[torch.Tensor]:
    """What backward() would leave at this step: half of each parameter, and noise that is always the same.

    At one step the first has zeros, as behind a ReLU that is closed: no gradient is not None.
    """
    generator = torch.Generator().manual_seed(step)
    found = [0.5 * p.detach() + torch.randn(p.shape, generator=generator) for p in parameters]
    return [torch.zeros_like(found[0]), *found[1:]] if step == 3 else found


def _rates(lr: float) -> list[float]:
    """The learning rate of each step, as a schedule moves it."""
    return [lr * share for share in (0.5, 1.0, 1.0, 0.6, 0.2)]


def _trajectory(answer: Any, lr: float, momentum: float, weight_decay: float) -> torch.Tensor:
    """The parameters after each step of the answer, joined: ``(STEPS, 15)``."""
    parameters = _start()
    optimizer = answer(iter(parameters), lr, momentum, weight_decay)
    if not callable(getattr(optimizer, "step", None)):
        raise Mistake("Your optimiser has no step().", "def step(self): ...")
    rows = []
    for k, rate in enumerate(_rates(lr)):
        gradients = _gradients(parameters, k)
        for p, g in zip(parameters, gradients, strict=True):
            p.grad = g.clone() if p.grad is None else p.grad.copy_(g)  # as backward() fills what zero_grad() emptied
        if not hasattr(optimizer, "lr"):
            raise Mistake("A schedule sets optimizer.lr between the steps, and yours has none.", "self.lr = lr")
        optimizer.lr = rate
        optimizer.step()
        _look_at(parameters, gradients)
        rows.append(torch.cat([p.detach().flatten() for p in parameters]))
    return torch.stack(rows)


def _look_at(parameters: list[nn.Parameter], gradients: list[torch.Tensor]) -> None:
    """Whether the parameters are still leaves, and the gradients what they were."""
    for p, g in zip(parameters, gradients, strict=True):
        if not p.requires_grad or not p.is_leaf:
            raise Mistake(
                "After your step a parameter no longer asks for its gradient, so training would end here.",
                "Change p itself under torch.no_grad(): p -= ...",
            )
        if p.grad is None:
            raise Mistake("Your step throws the gradients away.", "zero_grad() does that, when the reader asks for it.")
        if not torch.equal(p.grad, g):
            raise Mistake(
                "Your step changes p.grad, which belongs to backward(): whoever reads it later is misled.",
                "g = p.grad + self.weight_decay * p makes a new tensor; p.grad += ... changes the old one.",
            )


def _wrong_rule(lr: float, momentum: float, weight_decay: float, slip: str) -> torch.Tensor:
    """The trajectory of a rule with one slip in it."""
    parameters = [p.detach().clone() for p in _start()]
    velocities = [torch.zeros_like(p) for p in parameters]
    rows = []
    for k, rate in enumerate(_rates(lr)):
        rate = lr if slip == "fixed" else rate
        for i, g in enumerate(_gradients(parameters, k)):
            p, v = parameters[i], velocities[i]
            decay = 0.0 if slip in ("no decay", "decoupled", "late") else weight_decay
            g = g + (-decay if slip == "grows" else decay) * p
            share = 1 - momentum if slip == "average" else 1.0
            v = momentum * v + (rate * g if slip == "inside" else share * g)
            velocities[i] = torch.zeros_like(v) if slip == "forgets" else v
            ahead = {"classical": v, "plain": g, "no share": g + v}.get(slip, g + momentum * v)
            if slip == "inside":
                ahead = (rate * g + momentum * v) / rate
            if slip == "late":
                ahead = ahead + weight_decay * p
            shrunk = 1 - weight_decay if slip == "decoupled" else 1.0
            parameters[i] = shrunk * p + (1 if slip == "uphill" else -1) * rate * ahead
        rows.append(torch.cat([p.flatten() for p in parameters]))
    return torch.stack(rows)


SLIPS = {
    "uphill": "Your steps go uphill: they add the gradient where they should subtract it.",
    "plain": "There is no momentum in your step: it goes by the gradient alone.",
    "classical": "That is momentum without Nesterov. His step looks ahead: it goes by g + momentum * v.",
    "no share": "Your step goes by g + v; the velocity in it should be multiplied by momentum.",
    "forgets": "Your velocity is forgotten after each step: keep one for each parameter, in self.",
    "no decay": "There is no weight decay in your step.",
    "grows": "Your weight decay has the wrong sign: it lets the weights grow.",
    "late": "You decay the weights, but past the velocity. The decay is part of g, so it enters both.",
    "decoupled": "You shrink the weights by weight_decay at each step. Here it is added to the gradient instead.",
    "average": "Your velocity is an average, with 1 - momentum before the gradient. Here it is a sum.",
    "inside": "Your velocity holds steps, with the learning rate in them. A lower rate comes too late.",
    "fixed": "You use the learning rate that you were given at first. A schedule sets self.lr between the steps.",
}


def _judge_sgd(answer: Any) -> None:
    cases, right = [], True
    for lr, momentum, decay in SETTINGS.values():
        result, wanted = (_trajectory(each, lr, momentum, decay) for each in (answer, SGD))
        right &= close(result, wanted, 1e-5)
        slips = {hint: _wrong_rule(lr, momentum, decay, slip) for slip, hint in SLIPS.items()}
        cases.append((result, {hint: row for hint, row in slips.items() if not close(row, wanted, 1e-3)}))
    if not right:
        if all(close(result, result[:1].expand_as(result)) for result, _ in cases):
            raise Mistake(
                "Your step changes nothing that the network can see.",
                "Change the parameters in place: p -= ..., and keep the list of them, since network.parameters() can "
                "be gone through only once.",
            )
        recognise(cases, RULE)
        raise Mistake("The weights are not where torch's own SGD with nesterov=True takes them.", RULE)
    _judge_two_at_once(answer)
    _judge_missing_gradient(answer)


def _judge_two_at_once(answer: Any) -> None:
    """Two optimisers must not share their velocities."""
    lr, momentum, decay = SETTINGS["usual"]
    first, second = _start(), _start()
    optimizers = [answer(iter(parameters), lr, momentum, decay) for parameters in (first, second)]
    for k in range(2):
        for parameters, optimizer in zip((first, second), optimizers, strict=True):
            for p, g in zip(parameters, _gradients(parameters, k), strict=True):
                p.grad = g
            optimizer.step()
    if not all(map(close, first, second)):
        raise Mistake(
            "Two of your optimisers share their velocities, so that one training disturbs another.",
            "Make them in __init__, and keep them in self.",
        )


def _judge_missing_gradient(answer: Any) -> None:
    """A parameter without gradient stays as it is, and does not stop the others."""
    parameters = _start()
    before = [p.detach().clone() for p in parameters]
    optimizer = answer(iter(parameters), *SETTINGS["usual"])
    for k in range(2):
        parameters[1].grad = _gradients(parameters, k)[1]
        try:
            optimizer.step()
        except (TypeError, AttributeError) as error:
            raise Mistake(
                "Your step breaks at a parameter whose grad is None, as it is where backward() did not come by.",
                "if p.grad is None: continue",
            ) from error
    if close(parameters[1], before[1]):
        raise Mistake("One parameter without gradient keeps yours from changing the others.", "continue, not return")
    if not all(torch.equal(parameters[k], before[k]) for k in (0, 2, 3)):
        raise Mistake("A parameter without gradient should stay as it is, without decay too.", "continue")


EXERCISES = [
    Exercise("sgd", SGD, _judge_sgd, "Step for step where the one of PyTorch goes."),
]
