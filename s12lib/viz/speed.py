"""Figures of the lesson on speed: pairs of bars, effects with their errors, and what reaches a machine's ceilings."""

from collections.abc import Mapping

from matplotlib.ticker import LogLocator, NullFormatter, StrMethodFormatter

from s12lib.viz.canvas import GREY, INK, WIDE, Drawing, canvas, panel, styled


@styled
def paired_bars(
    values: Mapping[str, tuple[float, float]], names: tuple[str, str], title: str, dataset: str, xlabel: str,
    form: str = "{:.0%}",
) -> Drawing:  # fmt: skip
    """Two horizontal bars a row, one below the other, each with its number at its end: ``{row: (first, second)}``."""
    figure, top = canvas(WIDE, 52 * len(values) + 100, title, dataset)
    axes = panel(figure, 150, top + 40, WIDE - 230, 52 * len(values))
    for k, (name, colour) in enumerate(zip(names, ("#0072B2", "#E69F00"), strict=True)):
        places = [row + 0.38 * (k - 0.5) for row in range(len(values))]
        drawn = axes.barh(places, [pair[k] for pair in values.values()], color=colour, height=0.36, label=name)
        axes.bar_label(drawn, [form.format(pair[k]) for pair in values.values()], padding=4, size=12)
    axes.set_yticks(range(len(values)), list(values))
    axes.invert_yaxis()
    axes.grid(visible=False, axis="y")
    axes.set_xlabel(xlabel)
    axes.legend(loc="lower left", bbox_to_anchor=(0, 1), ncols=2, frameon=False)
    told = "; ".join(f"{row} {form.format(one)} and {form.format(other)}" for row, (one, other) in values.items())
    return Drawing(figure, f"{title} ({dataset}) Pairs of bars, {names[0]} and {names[1]}: {told}.")


@styled
def intervals(values: Mapping[str, tuple[float, float]], title: str, dataset: str, xlabel: str) -> Drawing:
    """A dot a row with its error to either side, and a line at 0: ``{row: (value, error)}``; without an error, a ring.

    An error of 0 or nan is none.
    """
    figure, top = canvas(WIDE, 34 * len(values) + 60, title, dataset)
    left = 9 * max(map(len, values)) + 16
    axes = panel(figure, left, top, WIDE - 30 - left, 34 * len(values))
    axes.axvline(0, color=GREY, linewidth=1.5)
    for row, (value, error) in enumerate(values.values()):
        known = error > 0  # and not nan
        axes.errorbar(
            value, row, xerr=error if known else None, fmt="o", color="#0072B2", capsize=4, markersize=8,
            markerfacecolor="#0072B2" if known else "white",
        )  # fmt: skip
    axes.set_yticks(range(len(values)), list(values))
    axes.set_ylim(len(values) - 0.5, -0.5)
    axes.set_xlabel(xlabel)
    told = ", ".join(
        f"{name} {value:+.2f}" + (f" ± {error:.2f}" if error > 0 else "") for name, (value, error) in values.items()
    )
    return Drawing(figure, f"{title} ({dataset}) Dots, {xlabel}: {told}.")


@styled
def roofline(
    points: Mapping[str, tuple[float, float]], peak: float, bandwidth: float, title: str, dataset: str
) -> Drawing:
    """What each layer reaches, below the two ceilings of a machine, both axes logarithmic (Williams et al., 2009).

    ``points`` are ``{layer: (FLOP a byte, FLOP/s)}``, ``peak`` the machine's FLOP/s, ``bandwidth`` its bytes/s. Layers
    differ in markers and in colour.
    """
    figure, top = canvas(WIDE, 392 + 24 * ((len(points) + 1) // 2), title, dataset)
    axes = panel(figure, 90, top + 8, WIDE - 120, 310)
    x = [intensity for intensity, _ in points.values()]
    low, high, ridge = min(*x, 1.0) / 2, max(*x, 2 * peak / bandwidth) * 2, peak / bandwidth
    axes.plot([low, ridge, high], [low * bandwidth / 1e9, peak / 1e9, peak / 1e9], color=INK)
    for k, (name, (intensity, reached)) in enumerate(points.items()):
        axes.plot(intensity, reached / 1e9, "osD^vP*X"[k % 8], label=name, markersize=9, alpha=0.9)
    axes.set(xscale="log", yscale="log", xlabel="FLOP a byte", ylabel="GFLOP/s")
    axes.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    axes.yaxis.set_minor_formatter(NullFormatter())
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_major_formatter(StrMethodFormatter("{x:g}"))
    axes.legend(loc="upper left", bbox_to_anchor=(-0.02, -0.2), ncols=2, frameon=False, handlelength=1)
    told = "; ".join(f"{name} {reached / 1e9:.3g} at {intensity:.3g}" for name, (intensity, reached) in points.items())
    ceilings = f"The ceilings meet at {ridge:.3g} FLOP a byte, and the flat one is at {peak / 1e9:.3g} GFLOP/s"
    return Drawing(figure, f"{title} ({dataset}) GFLOP/s over FLOP a byte: {told}. {ceilings}.")
