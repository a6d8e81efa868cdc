"""The package under the Page ResNet course. Names load on first use, so that ``import s12lib`` costs nothing."""

from importlib import import_module

_HOME = {
    "model": ["PageResNet"],
    "classifier": ["Classifier"],
    "datamodule": ["CIFAR10", "CIFAR100", "Pictures", "Shapes"],
    "data.cifar10": ["CLASSES"],
    "data.pixels": ["MEAN", "STD", "normalize"],
    "weights.pretrained": ["load_card", "load_curve", "load_pretrained"],
    "inference": ["predict"],
    "explain": ["gradcam"],
    "exercises": ["check", "use"],
}
_MODULE_OF = {name: module for module, names in _HOME.items() for name in names}
__all__ = sorted(_MODULE_OF)  # pyright: ignore[reportUnsupportedDunderAll]


def __getattr__(name: str) -> object:
    if name in _MODULE_OF:
        return getattr(import_module(f"s12lib.{_MODULE_OF[name]}"), name)
    raise AttributeError(f"module 's12lib' has no attribute {name!r}")


def __dir__() -> list[str]:
    return __all__
