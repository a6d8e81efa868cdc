"""The app as its visitors have it: a process of its own that listens on a port, and a plain HTTP client for it."""

import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import Any, NamedTuple

import httpx

PATIENCE = 1200  # seconds until a start, an answer or an end counts as hanging; a test machine may be busy
SETTINGS = {"top": 3, "layer": "layer3", "method": "gradcam", "target": "the predicted class", "opacity": 0.6}


class Reply(NamedTuple):
    """What came back: the answer's HTML and data, or one refusal; and the status of the HTTP answer."""

    html: str = ""
    images: Any = None
    refusal: str | None = None
    status: int = 200


def free_port() -> int:
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        return bound.getsockname()[1]


def notice_a_closed_terminal() -> None:
    """As a terminal's processes do; tests that were started with `nohup` would hand on that it is ignored."""
    signal.signal(signal.SIGHUP, signal.SIG_DFL)


class RunningApp:
    """``s12 app`` in a process of its own, with everything it says in a log."""

    def __init__(self, folder: Path, *arguments: str) -> None:
        self.uploads = folder / "uploads"
        self.log_file = folder / "app.log"
        self.port = free_port()
        self.address = f"http://127.0.0.1:{self.port}"
        self.client = httpx.Client(base_url=self.address, timeout=PATIENCE, trust_env=False)
        nowhere = {"HTTP_PROXY": "http://127.0.0.1:9", "ALL_PROXY": "socks5://127.0.0.1:9"}  # the app talks to nobody
        environment = os.environ | nowhere | {"GRADIO_TEMP_DIR": str(folder / "uploads"), "PYTHONUNBUFFERED": "1"}
        command = [sys.executable, "-m", "s12lib.cli", "app", "--port", str(self.port), *arguments]
        with open(self.log_file, "wb") as log:
            self.process = subprocess.Popen(
                command, stdout=log, stderr=subprocess.STDOUT, env=environment, preexec_fn=notice_a_closed_terminal
            )
        end = time.monotonic() + PATIENCE
        while "The app is at" not in self.log:
            if self.process.poll() is not None or time.monotonic() > end:
                self.process.kill()
                raise AssertionError(f"the app did not start within {PATIENCE} s: {self.log}")
            time.sleep(0.1)

    @property
    def files(self) -> list[Path]:
        """What lies on disk of visitors' uploads."""
        return sorted(path for path in self.uploads.rglob("*") if path.is_file() and path.suffix != ".lock")

    @property
    def log(self) -> str:
        return self.log_file.read_text()

    def close(self, how: int = signal.SIGTERM) -> None:
        self.process.send_signal(how)
        self.process.wait(PATIENCE)
        self.client.close()

    def upload(self, name: str, content: bytes) -> dict[str, Any] | Reply:
        """The file as the page's requests name it, or the refusal to take it."""
        answer = self.client.post("/gradio_api/upload", files={"files": (name, content)})
        if answer.status_code != 200:
            return Reply(refusal=answer.json()["detail"], status=answer.status_code)
        return {"path": answer.json()[0], "orig_name": name, "meta": {"_type": "gradio.FileData"}}

    def call(self, endpoint: str, data: Any) -> Any:
        """The endpoint's outputs, or a Reply with its refusal. ``data`` may hold NaN, which JSON does not know."""
        body = json.dumps({"data": data})
        headers = {"Content-Type": "application/json"}
        joined = self.client.post(f"/gradio_api/call/{endpoint}", content=body, headers=headers)
        if joined.status_code != 200:
            return Reply(refusal=joined.json()["detail"], status=joined.status_code)
        stream = self.client.get(f"/gradio_api/call/{endpoint}/{joined.json()['event_id']}").text
        kind, said = re.findall(r"event: (complete|error)\ndata: (.*)", stream)[-1]
        outputs = json.loads(said)
        return outputs if kind == "complete" else Reply(refusal=(outputs or {}).get("error"))

    def explain(self, files: Any, **settings: Any) -> Reply:
        """The answer to files that were uploaded, or to whatever is sent in their place."""
        outputs = self.call("explain", [files, *(SETTINGS | settings).values()])
        return outputs if isinstance(outputs, Reply) else Reply(outputs[0], outputs[1]["pictures"])

    def show(self, *files: tuple[str, bytes], **settings: Any) -> Reply:
        """Upload files and ask about them."""
        uploads = [self.upload(name, content) for name, content in files]
        refused = [upload for upload in uploads if isinstance(upload, Reply)]
        return refused[0] if refused else self.explain(uploads, **settings)
