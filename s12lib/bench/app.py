"""How long a visitor of the app waits: answers over HTTP from ``s12 app`` in a process of its own."""

import importlib.util
import socket
import statistics
import subprocess
import sys
from pathlib import Path

import httpx
import torch

from s12lib.app.answers import APP_METHODS, PREDICTED
from s12lib.app.examples import FOLDER
from s12lib.bench.timing import timed
from s12lib.data.image_files import read_image
from s12lib.data.pixels import normalize
from s12lib.model import PageResNet

PHOTO = FOLDER / "test_0_cat.png"


def ask(client: httpx.Client, photo: Path) -> None:
    """Upload an image and wait for its answer with a heatmap. Raises RuntimeError for a refusal."""
    path = client.post("/gradio_api/upload", files={"files": (photo.name, photo.read_bytes())}).json()[0]
    upload = {"path": path, "orig_name": photo.name, "meta": {"_type": "gradio.FileData"}}
    question = [[upload], 3, "layer3", APP_METHODS[0], PREDICTED, 0.6]
    event = client.post("/gradio_api/call/explain", json={"data": question}).json()["event_id"]
    answer = client.get(f"/gradio_api/call/explain/{event}").text
    if "event: complete" not in answer:
        raise RuntimeError(f"The app refused {photo.name}: {answer.strip()}")


def waits(requests: int) -> tuple[list[float], list[float]]:
    """Seconds of answers, and of forward passes of one image, in turn after three of each to warm up."""
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        port = bound.getsockname()[1]
    network = PageResNet().eval()
    image = normalize(read_image(PHOTO)[None])
    forward = timed(torch.no_grad()(lambda: network(image)))
    command = [sys.executable, "-m", "s12lib.cli", "app", "--port", str(port)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            if not any("The app is at" in line for line in process.stdout or ()):
                raise RuntimeError("The app did not start.")
            with httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=600, trust_env=False) as client:
                answer = timed(lambda: ask(client, PHOTO))
                pairs = [(answer(), forward()) for _ in range(requests + 3)][3:]
        finally:
            process.terminate()
    answers, passes = zip(*pairs, strict=True)
    return list(answers), list(passes)


def table(requests: int = 60) -> str:
    """The page's part on the app, or a sentence where the app's libraries are not installed."""
    if importlib.util.find_spec("gradio") is None:
        return "Not measured: Gradio is not installed there."
    answers, passes = waits(requests)
    p50, p95 = (statistics.quantiles(answers, n=20)[k] for k in (9, 18))
    times = statistics.median(a / b for a, b in zip(answers, passes, strict=True))
    return f"""| | p50 | p95 | forward passes of one image at the median | goal |
|---|---|---|---|---|
| an answer with its heatmap, over HTTP | {1000 * p50:.0f} ms | {1000 * p95:.0f} ms | {times:.1f} | ≤ 4 |

{requests} requests one after the other, upload and answer each, in turn with a forward pass of the network alone."""
