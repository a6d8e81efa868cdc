"""Which settings of Lightning's Trainer a run can have: the others are refused before anything is trained."""

import os
from collections.abc import Iterable, Mapping
from types import NoneType
from typing import Any, get_args

import pytorch_lightning as pl
from pytorch_lightning.utilities import rank_zero_info

from s12lib.errors import did_you_mean

ACCELERATORS = ("auto", "cpu", "gpu", "cuda", "mps")
STRATEGIES = ("auto", "ddp", "ddp_find_unused_parameters_true", "ddp_find_unused_parameters_false")
SLURM_NEEDS = ("SLURM_JOB_ID", "SLURM_PROCID", "SLURM_LOCALID", "SLURM_NODEID", "SLURM_NODELIST")


def try_whole_numbers_first() -> None:
    """Let the parser read ``limit_train_batches 1`` as one batch, and 1.0 as all of them.

    It tries the types of an annotation in turn. Which of ``Optional[Union[int, float]]`` comes first depends on what
    was imported before, since `typing` caches unions as if they were sets; so the order is laid down here.
    """
    annotations = pl.Trainer.__init__.__annotations__
    for field, kind in annotations.items():
        if set(get_args(kind)) == {int, float, NoneType}:
            annotations[field] = int | float | None


def check_trainer(trainer: Mapping[str, Any], subcommand: str) -> None:
    """Raises ValueError, which names the setting and what it can be."""
    if trainer["accelerator"] not in ACCELERATORS:
        refuse("accelerator", trainer["accelerator"], f"one of {', '.join(ACCELERATORS)}", ACCELERATORS)
    if trainer["strategy"] not in STRATEGIES:  # the others start processes, or split weights, in ways of their own
        refuse("strategy", trainer["strategy"], "auto or, for several devices, ddp", STRATEGIES)
    check_cluster(trainer)
    if subcommand != "fit":
        return
    if trainer["max_epochs"] is None or trainer["max_epochs"] < 1:
        refuse("max_epochs", trainer["max_epochs"], "at least 1")
    if trainer["max_steps"] < 1 and trainer["max_steps"] != -1:
        refuse("max_steps", trainer["max_steps"], "at least 1, or -1 for all that the epochs hold")
    if trainer["limit_train_batches"] is not None and not trainer["limit_train_batches"] > 0:
        refuse("limit_train_batches", trainer["limit_train_batches"], "above 0, or nothing is trained")


def check_cluster(trainer: Mapping[str, Any]) -> None:
    """Raises ValueError where Lightning would wait for ever for machines that nobody starts."""
    if "SLURM_NTASKS" in os.environ and os.environ.get("SLURM_JOB_NAME") not in ("bash", "interactive"):
        if missing := [name for name in SLURM_NEEDS if name not in os.environ]:
            raise ValueError(
                f"SLURM_NTASKS is set, but {' and '.join(missing)} is not: start the command with srun, or unset "
                "SLURM_NTASKS to run on this machine alone."
            )
    elif trainer["num_nodes"] != 1 and not {"MASTER_ADDR", "NODE_RANK"} <= os.environ.keys():
        raise ValueError(
            f"trainer.num_nodes is {trainer['num_nodes']}, but this is no cluster: start the command on each machine "
            "with MASTER_ADDR, MASTER_PORT and NODE_RANK set, or with torchrun or srun."
        )
    if trainer["num_nodes"] != 1:
        first = os.environ.get("MASTER_ADDR", "the first of them")
        rank_zero_info(f"Waiting for all {trainer['num_nodes']} machines to join at {first}, for at most half an hour.")


def refuse(name: str, value: Any, right: str, known: Iterable[str] = ()) -> None:
    raise ValueError(f"trainer.{name} must be {right}, but it is {value}{did_you_mean(str(value), known)}")
