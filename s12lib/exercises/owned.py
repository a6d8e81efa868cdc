"""A network that is lent to an answer, and must come back as it was: weights, statistics, modes, gradients, hooks."""

from typing import Any

import torch
from torch import nn

from s12lib.exercises.expect import Mistake

HOOKS = ("_forward_hooks", "_forward_pre_hooks", "_backward_hooks", "_backward_pre_hooks")


class Owned:
    """What a network was before an answer got hold of it. Its parameters have gradients, so that a loss of them shows.

    ``changing`` names the parameters and buffers whose values the answer is asked to change.
    """

    def __init__(self, network: nn.Module, gradients: bool = True) -> None:
        self.network = network
        for parameter in network.parameters():
            parameter.grad = torch.full_like(parameter, 0.5) if gradients else None
        self.parameters = dict(network.named_parameters())
        self.trainable = {name: parameter.requires_grad for name, parameter in self.parameters.items()}
        self.values = {name: value.clone() for name, value in network.state_dict().items()}
        self.modes = {name: module.training for name, module in network.named_modules()}
        self.hooks = all_hooks(network)
        self.attributes = {name: _attributes(module) for name, module in network.named_modules()}

    def look(self, values: bool = True) -> None:
        """Raise Mistake when the network is no longer what it was; ``values=False`` when it should have others."""
        self._look_at_parameters()
        if values:
            self._look_at_values()
        self._look_at_modes()
        self.look_for_hooks("is still there when your function has returned")
        self.look_for_attributes()

    def _look_at_parameters(self) -> None:
        now = dict(self.network.named_parameters())
        if any(now.get(name) is not parameter for name, parameter in self.parameters.items()) or len(now) != len(
            self.parameters
        ):
            raise Mistake(
                "Your answer gives the network new parameters. An optimiser made before would go on with the old ones.",
                "Write into the parameters that are there, as load_state_dict does (without assign=True) and copy_.",
            )
        for name, parameter in now.items():
            if parameter.dtype != self.values[name].dtype:
                raise Mistake(
                    f"The network came to you in {self.values[name].dtype} and leaves you in {parameter.dtype}.",
                    "network.double() and network.half() change the network itself.",
                )
            if parameter.requires_grad != self.trainable[name]:
                word = "freeze" if self.trainable[name] else "unfreeze"
                raise Mistake(
                    f"You {word} the network's {name} for good: requires_grad was {self.trainable[name]}.",
                    "with torch.no_grad(): switches gradients off for as long as it lasts, and touches no parameter.",
                )
            if parameter.grad is None or not bool((parameter.grad == 0.5).all()):
                raise Mistake(
                    "The network's parameters had gradients, and yours changes or clears them.",
                    "torch.autograd.grad returns gradients and keeps none; leave zero_grad to whoever trains.",
                )

    def _look_at_values(self) -> None:
        now = self.network.state_dict()
        changed = [name for name, value in now.items() if not torch.equal(value, self.values[name])]
        if not changed:
            return
        statistics = [name for name in changed if "running" in name]
        if statistics and all(bool((now[name] == ("var" in name)).all()) for name in statistics):
            raise Mistake(
                "You reset the statistics that BatchNorm has gathered in training: they are gone.",
                "Leave out reset_running_stats(). In evaluation mode BatchNorm reads them and changes nothing.",
            )
        if statistics and any(name.endswith("num_batches_tracked") for name in changed):
            raise Mistake(
                "The network was still in training mode: looking at images has changed its statistics.",
                "network.eval(), on the network itself and with the brackets, before it sees an image.",
            )
        raise Mistake(f"Your answer changes the network's {changed[0]}.", "Read it, and write nothing.")

    def _look_at_modes(self) -> None:
        if any(module.training != self.modes[name] for name, module in self.network.named_modules()):
            mode = "training" if self.modes[""] else "evaluation"
            raise Mistake(
                f"The network came to you in {mode} mode and leaves you in the other. Whoever trains it will wonder.",
                "Remember network.training at the start, and call network.train(...) with it at the end.",
            )

    def look_for_hooks(self, when: str) -> None:
        after = all_hooks(self.network)
        if any(hook not in after for hook in self.hooks):
            raise Mistake(
                "Somebody else had put a hook there before, and your answer removes it, too.",
                "The handle that register_forward_hook returns removes your own hook, and no other: handle.remove().",
            )
        if len(after) > len(self.hooks):
            raise Mistake(
                f"Your hook {when}. It would run again at each later pass, and keep what it heard.",
                "Whatever registers a hook returns a handle: handle.remove(), in a finally.",
            )

    def look_for_attributes(self, when: str = "") -> None:
        for name, module in self.network.named_modules():
            before, now = self.attributes[name], _attributes(module)
            for attribute in before.keys() | now.keys():
                if attribute not in before:
                    raise Mistake(
                        f"Your answer leaves something on the network{when}: its attribute {attribute}.",
                        "Keep it in a variable of your own function, and put back what you replace, in a finally.",
                    )
                if before[attribute] is not now.get(attribute) and before[attribute] != now.get(attribute):
                    raise Mistake(
                        f"Your answer changes a setting of the network: {attribute}.", "Leave it, or put it back."
                    )


def all_hooks(network: nn.Module) -> list[Any]:
    """All hooks in the network, of those kinds that an answer may have registered, on parameters too."""
    modules = [hook for module in network.modules() for kind in HOOKS for hook in getattr(module, kind).values()]
    return modules + [hook for p in network.parameters() for hook in (p._backward_hooks or {}).values()]


def _attributes(module: nn.Module) -> dict[str, Any]:
    """What stands on the module itself: its settings, and whatever else somebody has put there."""
    own = getattr(type(module), "forward", None)
    return {
        name: value
        for name, value in vars(module).items()
        if not name.startswith("_")
        and name != "training"
        and not (name == "forward" and getattr(value, "__func__", None) is own)  # put back, which is as good
    }
