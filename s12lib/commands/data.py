"""``s12 data``: CIFAR-10 on disk."""

from argparse import ArgumentParser, Namespace

from s12lib.files import user_path

ABOUT = "get CIFAR-10, or check the file that is there"
EXAMPLE = "s12 data --from cifar-10-python.tar.gz"


def add_arguments(parser: ArgumentParser) -> None:
    parser.add_argument(
        "--from", dest="source", type=user_path, metavar="FILE", help="cifar10.npz or cifar-10-python.tar.gz"
    )
    parser.add_argument("--data-dir", type=user_path, help="where cifar10.npz goes (default: $S12_DATA_DIR, else data)")


def run(options: Namespace) -> None:
    from s12lib.data.cifar10 import prepare_cifar10

    path = prepare_cifar10(options.data_dir, options.source)
    print(f"{path} is CIFAR-10, whole: 50,000 training and 10,000 test images.")
