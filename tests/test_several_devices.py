"""The page on several devices: its command for two processes runs, by the launcher that clusters use."""

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
PAGE = (ROOT / "book/several_devices.md").read_text("utf-8")
PROGRAMS = Path(sys.executable).parent
SMALL = {"trainer.max_epochs": 1, "data.init_args.train_size": 64, "data.init_args.batch_size": 16}
"""What makes the page's run a matter of seconds."""


def command() -> list[str]:
    """The page's command for two processes on a CPU, as a list."""
    blocks = re.findall(r"```bash\n(.*?)```", PAGE, re.S)
    (text,) = (block for block in blocks if "accelerator cpu" in block)
    return shlex.split(text.split("torchrun", 1)[1].replace("\\\n", " "))


def test_the_slurm_script_asks_for_as_many_processes_as_it_starts():
    (script,) = (block for block in re.findall(r"```bash\n(.*?)```", PAGE, re.S) if "#SBATCH" in block)
    nodes, gpus = (re.search(rf"#SBATCH --{name}=(\d+)", script)[1] for name in ("nodes", "gpus-per-node"))
    assert f"--trainer.num_nodes {nodes} --trainer.devices {gpus} " in script
    assert f"--nproc-per-node {gpus} " in script
    assert int(nodes) * int(gpus) * int(re.search(r"batch_size (\d+)", script)[1]) == 512


@pytest.mark.slow
def test_the_command_for_two_processes_trains(tmp_path):
    arguments = [str(PROGRAMS / "s12") if word.endswith("/s12") else word for word in command()]
    arguments[arguments.index("recipes/smoke.yaml")] = str(ROOT / "recipes/smoke.yaml")
    for name, value in SMALL.items():
        arguments += [f"--{name}", str(value)]
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    run = subprocess.run(
        [PROGRAMS / "torchrun", *arguments], cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=600
    )
    assert run.returncode == 0, run.stderr
    told = run.stdout + run.stderr
    assert "16 images a step on each of 2 device(s)" in told
    assert "GLOBAL_RANK: 1, MEMBER: 2/2" in told
    assert (tmp_path / "runs/two/last.ckpt").exists()
