"""``s12 explain``: one figure of where the evidence for a class lies in images."""

from argparse import ArgumentParser, Namespace

from s12lib.commands import WEIGHTS
from s12lib.commands.predict import print_top
from s12lib.files import user_path

ABOUT = "draw where the evidence for a class lies in images"
EXAMPLE = "s12 explain cat.jpg --target dog --out why.png"
LAYERS = ("prep", "layer1", "layer2", "layer3")  # as in s12lib.explain, which would load torch
METHODS = ("gradcam", "gradcam++", "eigencam", "hirescam", "layercam", "random")  # as in s12lib.explain.methods
MOST_EXPLAINED = 100  # images in one figure; a PNG of more would be too tall to draw


def add_arguments(parser: ArgumentParser) -> None:
    parser.add_argument("images", nargs="+", type=user_path, metavar="IMAGE", help="image files of any size")
    parser.add_argument("--weights", **WEIGHTS)
    parser.add_argument("--layer", choices=LAYERS, default="layer3", help="whose map to draw (default: layer3)")
    parser.add_argument("--method", choices=METHODS, default="gradcam", help="how to make it (default: gradcam)")
    parser.add_argument("--target", metavar="CLASS", help="the class to explain (default: the predicted one)")
    parser.add_argument("--out", type=user_path, required=True, metavar="FILE", help="a file name that ends in .png")


def run(options: Namespace) -> None:
    if options.out.suffix != ".png":
        raise ValueError(f"--out must end in .png, but it is {options.out}.")
    if len(options.images) > MOST_EXPLAINED:
        raise ValueError(f"At most {MOST_EXPLAINED} images go into one file, but there are {len(options.images)}.")
    import numpy as np

    from s12lib import viz
    from s12lib.data.image_files import display_name, read_image
    from s12lib.errors import did_you_mean
    from s12lib.explain import enlarge, gradcam
    from s12lib.files import atomic_write
    from s12lib.inference import predict
    from s12lib.weights.pretrained import class_names, load_weights, read_card, weights_path

    weights = weights_path(options.weights)
    network, card = load_weights(weights), read_card(weights)
    classes = class_names(card)
    if options.target not in (None, *classes):
        likely = did_you_mean(options.target, classes)
        raise ValueError(f"--target must be one of {', '.join(classes)}, but it is {options.target!r}{likely}")
    images = np.stack([read_image(path) for path in options.images])
    probabilities = predict(network, images)
    print_top(options.images, probabilities, 5, classes)
    predicted = probabilities.argmax(1).tolist()
    targets = predicted if options.target is None else [classes.index(options.target)] * len(images)
    raw = gradcam(network, images, targets, options.layer, options.method, raw=True)
    peak = raw.amax(dim=(1, 2), keepdim=True)
    places, sizes = raw / peak.where(peak > 0, 1), f"{raw.shape[1]} × {raw.shape[2]}"
    notes = [
        (display_name(path, 15), f"for {classes[t]}, {row[t]:.1%}", "" if any_heat else "nothing speaks for it")
        for path, row, t, any_heat in zip(options.images, probabilities, targets, peak > 0, strict=True)
    ]
    title = f"Where {options.method} sees evidence, at {options.layer}"
    trained_on = f"Your images, as a network trained on {card['dataset']} sees them"
    maps = {f"its map, {sizes}": places, "enlarged": enlarge(raw)}
    drawing = viz.heatmap_table(images, maps, notes, title, trained_on, opacities=(1, 0.6))
    atomic_write(options.out, viz.png(drawing.figure))
    print(f"Wrote {options.out}.")
