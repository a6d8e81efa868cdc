"""Figures of a training run that need more than plain lines; like ``viz``, they draw what they are handed."""

from collections.abc import Mapping, Sequence

from s12lib.viz import GREY, INK, WIDE, Drawing, _canvas, _panel, _styled


@_styled
def lr_sweep(
    lrs: Sequence[float],
    losses: Sequence[float],
    smooth: tuple[Sequence[float], Sequence[float]],
    marks: Mapping[str, float],
    title: str,
    dataset: str,
) -> Drawing:
    """Loss over a learning rate that climbed from step to step, on a logarithmic axis.

    ``losses`` is the loss of each batch, drawn as dots; ``smooth`` the curve ``(lrs, losses)`` through them; ``marks``
    are learning rates with names, drawn as vertical lines from left to right.
    """
    figure, top = _canvas(WIDE, 380, title, dataset)
    axes = _panel(figure, 90, top + 8, WIDE - 120, 310)
    axes.plot(lrs, losses, ".", color=GREY, alpha=0.6, label="each batch")
    axes.plot(*smooth, label="smoothed")
    styles = ("--", "-.", ":")
    for k, (name, lr) in enumerate(sorted(marks.items(), key=lambda mark: mark[1])):
        axes.axvline(lr, color=("#009E73", "#D55E00", INK)[k % 3], linestyle=styles[k % 3], label=f"{name}: {lr:.2g}")
    axes.set(
        xscale="log",
        xlabel="learning rate",
        ylabel="loss",
        ylim=(0.95 * min(losses), min(1.3 * losses[0], 1.05 * max(losses))),
    )
    axes.legend(loc="lower left")
    told = "; ".join(f"{name} at {lr:.2g}" for name, lr in marks.items()) or "nothing is marked"
    ends = f"The loss goes from {losses[0]:.3g} at {lrs[0]:.2g} to {losses[-1]:.3g} at {lrs[-1]:.2g}"
    return Drawing(figure, f"{title} ({dataset}) {ends}; {told}.")
