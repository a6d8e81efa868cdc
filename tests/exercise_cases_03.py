"""What readers may hand in for the exercises of lesson 03, in the form of ``exercise_cases.py``."""

WRONG: dict[str, list[tuple[str | None, str, str]]] = {
    "smoothed_cross_entropy": [
        ("(1 - smoothing) * right + smoothing * everywhere", "right", "nothing is smoothed yet"),
        (
            "(1 - smoothing) * right + smoothing * everywhere",
            "smoothing * right + (1 - smoothing) * everywhere",
            "changed their weights",
        ),
        ("(1 - smoothing) * right", "right", "The label keeps all of its weight"),
        ("-log_p.mean()", "-log_p.sum(dim=1).mean()", "They share it"),
        (
            "-log_p.mean()",
            "-(log_p.sum(dim=1) - log_p.gather(1, labels[:, None])[:, 0]).mean() / (log_p.shape[1] - 1)",
            "over the wrong classes only",
        ),
        ("dim=1", "dim=0", "over the images of the batch"),
        ("logits.log_softmax(dim=1)", "logits", "Logits are no probabilities yet"),
        ("logits.log_softmax(dim=1)", "logits.softmax(dim=1).log()", "softmax underflows to 0"),
        ("    return (1 - smoothing)", "    return -(1 - smoothing)", "it should be"),
        ("right + smoothing * everywhere", "right - smoothing * everywhere", "A plus and a minus"),
        ("-log_p.mean()", "-logits.log_softmax(dim=0).mean()", "Your softmax for the mean"),
        ("-log_p.mean()", "-logits.mean()", "The mean goes over the logits"),
        (
            "-log_p.gather(1, labels[:, None]).mean()",
            "F.cross_entropy(logits.softmax(dim=1), labels)",
            "you give it probabilities",
        ),
        (
            "(1 - smoothing) * right + smoothing * everywhere",
            "-((1 - smoothing) * right + smoothing * everywhere)",
            "The sign is wrong",
        ),
        ("labels[:, None]).mean()", "labels[:, None])[:, 0]", "You return a loss for each image"),
        (
            "(1 - smoothing) * right + smoothing * everywhere",
            "len(labels) * ((1 - smoothing) * right + smoothing * everywhere)",
            "You add up the images' losses",
        ),
        ("right + smoothing * everywhere", "right.detach() + smoothing * everywhere", "gradient does not reach"),
        ("smoothing * everywhere", "smoothing * everywhere.item()", "gradient does not reach"),
        ("    return (", "    (", "Is the return missing"),
        (
            "return (1 - smoothing) * right + smoothing * everywhere",
            "loss = (1 - smoothing) * right + smoothing * everywhere\n"
            "    return torch.tensor(loss.item(), requires_grad=True)",
            "gradient does not reach",
        ),
    ],
    "one_cycle": [
        ("warmup * epochs, epochs", "warmup, epochs", "warmup is a share of the epochs"),
        ("epochs - final_epochs", "epochs", "flat for the final epochs"),
        ("        return final_lr\n", "        return final_lr * (epochs - epoch) / final_epochs\n", "goes on falling"),
        ("        return final_lr\n", "        pass\n", "it should be"),
        ("(final_lr - 1)", "(0 - 1)", "it should stop at final_lr"),
        ("return epoch / top", "return final_lr + (1 - final_lr) * epoch / top", "Yours starts at final_lr"),
        ("return epoch / top", "return 1.0", "the warm-up is missing"),
        ("return 1 + (final_lr - 1) * (epoch - top) / (flat - top)", "return 1.0", "Yours stays at its peak"),
        (
            "return 1 + (final_lr - 1) * (epoch - top) / (flat - top)",
            "share = (epoch - top) / (flat - top)\n"
            "    return final_lr + (1 - final_lr) * (1 + __import__('math').cos(3.141592653589793 * share)) / 2",
            "Yours falls in a wave",
        ),
        ("return 1 + (final_lr - 1) * (epoch - top) / (flat - top)", "pass", "there is None"),
        ("return final_lr", "return [final_lr]", "yours is a list"),
        ("return final_lr", "return torch.tensor([final_lr])", "yours is a Tensor"),
        ("return epoch / top", "return epoch / 0.0 if epoch == 0 else epoch / top", "raised ZeroDivisionError"),
        ("if epoch < top", "if 0 < epoch < top", "not where they end: at epoch 0 of 11"),
        ("    return 1 +", "    if top < epoch:\n        return 1 +", "at epoch 2.2 of 11 yours is None"),
        ("    return 1 +", "    if epoch < flat:\n        return 1 +", "at epoch 9 of 11 yours is None"),
        (
            "    return 1 + (final_lr - 1) * (epoch - top) / (flat - top)",
            "    return 1 + (final_lr - 1) * (epoch - top) / (flat - top) if epoch < flat else 0",
            "at epoch 9 of 11 yours is 0",
        ),
        (
            "        return final_lr\n",
            "        return final_lr if epoch < epochs else None\n",
            "at epoch 11 of 11 yours is None",
        ),
        ("(flat - top)", "flat", "it should be"),
        ("(flat - top)", "(epochs - top)", "Your line falls too slowly"),
        ("(epoch - top) / (flat - top)", "epoch / flat", "counted from its own beginning"),
        ("epochs - final_epochs", "final_epochs", "how many epochs the flat end lasts"),
    ],
    "run_schedule": [
        (
            None,
            """
def run_schedule(optimizer, train_loader, validation_loader, epochs):
    schedule = OneCycleLR(optimizer, max_lr=0.4, total_steps=epochs * len(validation_loader))
    rates = []
    for _ in range(epochs):
        for _ in train_loader:
            optimizer.step()
            rates.append(schedule.get_last_lr()[0])
        schedule.step()
    return rates
""",
            "Both bugs are still there",
        ),
        ("            schedule.step()", "        schedule.step()", "still stepped once an epoch"),
        (
            None,
            """
def run_schedule(optimizer, train_loader, validation_loader, epochs):
    schedule = OneCycleLR(optimizer, max_lr=0.4, total_steps=epochs)
    rates = []
    for _ in range(epochs):
        for _ in train_loader:
            optimizer.step()
            rates.append(schedule.get_last_lr()[0])
        schedule.step()
    return rates
""",
            "A staircase",
        ),
        ("len(train_loader)", "len(validation_loader)", "The total still comes from the validation set"),
        (
            "len(train_loader)",
            "(len(train_loader) + len(validation_loader))",
            "counts the validation batches too",
        ),
        ("epochs * len(train_loader)", "len(train_loader)", "more often than it was told to expect"),
        (
            "optimizer.step()\n            rates.append(schedule.get_last_lr()[0])\n            schedule.step()",
            "schedule.step()\n            rates.append(schedule.get_last_lr()[0])\n            optimizer.step()",
            "moves on before the optimiser",
        ),
        ("in train_loader", "in validation_loader", "more often than it was told to expect"),
        ("            optimizer.step()\n", "", "yours takes 0"),
        ("max_lr=0.4", "max_lr=0.1", "not those of a one-cycle with peak 0.4"),
        (
            "            rates.append(schedule.get_last_lr()[0])\n            schedule.step()",
            "            schedule.step()\n            rates.append(schedule.get_last_lr()[0])",
            "the list is not the learning rates",
        ),
        ("    return rates", "    return rates[-1]", "Return a list of the 28"),
        ("    return rates", "", "Return a list of the 28"),
        ("total_steps=total", "epochs=epochs", "raised ValueError: You must define either"),
        (
            "epochs * len(train_loader)",
            "epochs * len(train_loader) / 1",
            "raised ValueError: Expected positive integer",
        ),
        ("for _ in train_loader", "for a, b, c in train_loader", "raised ValueError: not enough values to unpack"),
        ("schedule.get_last_lr()[0]", "schedule.get_last_lr()", "yours is a list"),
    ],
    "ema_update": [
        ("kept * average + (1 - kept) * weights", "kept * weights + (1 - kept) * average", "have changed places"),
        ("decay**every", "decay", "You ignore `every`"),
        ("decay**every", "1 - every * (1 - decay)", "it multiplies"),
        ("(1 - kept) * weights", "weights", "add up to more than 1"),
        ("    return kept * average + (1 - kept) * weights", "    average *= kept\n    return average", "in place"),
        (
            "    return kept",
            "    average.lerp_(weights, 1 - kept)\n    return kept",
            "changes its input in place",
        ),
        ("decay**every", "decay * every", "Shares multiply"),
        ("decay**every", "decay ** (1 / every)", "of the average remain"),
        ("    return kept * average + (1 - kept) * weights", "", "Is the return missing"),
        ("(1 - kept) * weights", "(1 - kept) * weights.mean()", "of the average remain"),
    ],
}

RIGHT: dict[str, str] = {
    "smoothed_cross_entropy": """
def smoothed_cross_entropy(logits, labels, smoothing):
    target = torch.full_like(logits, smoothing / logits.shape[1])
    target[torch.arange(len(labels)), labels] += 1 - smoothing
    return F.cross_entropy(logits, target)
""",
    "one_cycle": """
import numpy as np

def one_cycle(epoch, epochs, warmup, final_epochs, final_lr):
    rising = epoch / (warmup * epochs)
    falling = 1 - (1 - final_lr) * (epoch - warmup * epochs) / (epochs - final_epochs - warmup * epochs)
    return np.maximum(np.minimum(rising, falling), min(rising, final_lr))
""",
    "run_schedule": """
def run_schedule(optimizer, train_loader, validation_loader, epochs):
    schedule = OneCycleLR(optimizer, 0.4, epochs=epochs, steps_per_epoch=len(train_loader))
    batches = [batch for _ in range(epochs) for batch in train_loader]
    rates = []
    for images, labels in batches:
        rates += [group["lr"] for group in optimizer.param_groups]
        optimizer.step()
        schedule.step()
    return tuple(rates)
""",
    "ema_update": """
def ema_update(average, weights, decay, every):
    for _ in range(every):
        average = torch.lerp(average, weights, 1 - decay)
    return average
""",
}

# Mutations of a solution that leave its behaviour as it is: the changed line, and why nothing changes.
EQUIVALENT: dict[str, dict[str, str]] = {
    "run_schedule": {"rates.append(schedule.get_last_lr()[-1])": "the optimiser has one group of parameters"},
}
