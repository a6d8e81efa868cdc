"""The running app against what strangers send: one plain sentence for what is wrong, and the next good request works.

One row of app_cases is one case. The count and the outcome stand in pytest's closing lines (see conftest).
"""

import asyncio
import json
import os
import re
import signal
import socket
import stat
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, suppress
from pathlib import Path
from types import SimpleNamespace
from typing import ClassVar

import app_cases
import httpx
import numpy as np
import pytest
import torch
from app_cases import GOOD, OTHER, encoded, scene
from running_app import PATIENCE, SETTINGS, Reply, RunningApp
from safetensors.torch import save_file

from s12lib import CLASSES, gradcam, load_pretrained, predict
from s12lib.app import build_app
from s12lib.app.answers import APP_METHODS, MAX_IMAGES
from s12lib.app.decoding import Decoders
from s12lib.app.gate import BUSY, visitor_of
from s12lib.app.render import png_address, with_heat
from s12lib.app.uploads import MAX_AGE, VISITOR_BYTES, UploadError, Uploads
from s12lib.cli import main
from s12lib.data.image_files import ImageError, to_32x32
from s12lib.explain.inputs import LAYERS
from s12lib.weights.pretrained import WEIGHTS_DIR

pytestmark = pytest.mark.xdist_group("app")  # one worker: one app

A_PATH = re.compile(r"(/[\w.-]+){2,}|[A-Z]:\\|\.py\b|site-packages")


@pytest.fixture(scope="session")
def upright(app) -> Reply:
    """The answer to a good request, which every later one must equal bit by bit."""
    return app.show(GOOD)


@pytest.fixture
def then_all_is_well(app, upright):
    """After the case: the next good request succeeds, with the very same answer, and the log has no word about it."""
    before = app.log
    yield
    after = app.show(GOOD)
    assert after.refusal is None
    assert after == upright
    assert app.log == before


def is_one_plain_sentence(reply: Reply, words: str) -> bool:
    said = reply.refusal
    assert isinstance(said, str), reply
    assert words in said
    assert said[0].isalnum()
    assert said.endswith(".")
    assert len(said) < 200
    assert not A_PATH.search(said), said
    assert not re.search(r"\n|Traceback|Error|Exception|<class", said), said
    return True


@pytest.mark.parametrize(("file", "words"), app_cases.REFUSED_FILES.values(), ids=app_cases.REFUSED_FILES)
def test_case_file_refused(app, then_all_is_well, file, words):
    assert is_one_plain_sentence(app.show(file), words)


@pytest.mark.parametrize(("files", "words"), app_cases.REFUSED_UPLOADS.values(), ids=app_cases.REFUSED_UPLOADS)
def test_case_upload_refused(app, then_all_is_well, files, words):
    assert is_one_plain_sentence(app.explain(files), words)


@pytest.mark.parametrize(("settings", "words"), app_cases.REFUSED_SETTINGS.values(), ids=app_cases.REFUSED_SETTINGS)
def test_case_setting_refused(app, then_all_is_well, settings, words):
    assert is_one_plain_sentence(app.show(GOOD, **settings), words)


@pytest.mark.parametrize("call", app_cases.REFUSED_CALLS.values(), ids=app_cases.REFUSED_CALLS)
def test_case_call_refused(app, then_all_is_well, call):
    assert is_one_plain_sentence(app.call(call.endpoint, call.data), call.words)


@pytest.mark.parametrize("file", app_cases.TAKEN_FILES.values(), ids=app_cases.TAKEN_FILES)
def test_case_file_taken(app, then_all_is_well, file):
    (answer,) = app.show(file, top=10).images
    assert sum(one["probability"] for one in answer["top"]) == pytest.approx(1, abs=1e-5)
    assert {one["class"] for one in answer["top"]} == set(CLASSES)


@pytest.mark.parametrize("file", app_cases.SAME_AS_THE_SCENE.values(), ids=app_cases.SAME_AS_THE_SCENE)
def test_case_same_answer_as_upright(app, upright, then_all_is_well, file):
    reply = app.show(file)
    (answer,), (expected,) = reply.images, upright.images
    assert {**answer, "name": ""} == {**expected, "name": ""}
    assert re.findall('data:image[^"]*', reply.html) == re.findall('data:image[^"]*', upright.html)
    assert not {"/", "\\"} & set(answer["name"])
    assert "<img src=x" not in reply.html


@pytest.mark.parametrize(("name", "shown"), app_cases.SHOWN_NAMES.values(), ids=app_cases.SHOWN_NAMES)
def test_case_a_name_is_shown_cleaned_and_cut(app, then_all_is_well, name, shown):
    reply = app.explain([app.upload(*GOOD) | {"orig_name": name}])
    assert reply.images[0]["name"] == shown
    assert f"<h2>{shown}: " in reply.html


@pytest.mark.parametrize("request_", app_cases.ODD_REQUESTS.values(), ids=app_cases.ODD_REQUESTS)
def test_case_odd_request(app, then_all_is_well, request_):
    answer = app.client.request(request_.method, request_.path, json=request_.body)
    assert answer.status_code == request_.status
    assert is_one_plain_sentence(Reply(refusal=answer.json()["detail"]), "")


def test_case_uploads_in_one_request_have_a_quota(app, then_all_is_well):
    before, heavy = app.files, [("files", (f"{k}.png", bytes(19_000_000))) for k in range(8)]
    answer = app.client.post("/gradio_api/upload", files=heavy)
    assert answer.status_code == 413
    assert is_one_plain_sentence(Reply(refusal=answer.json()["detail"]), "64 MB at a time")
    assert app.files == before


def test_case_uploads_of_one_visitor_have_a_quota_until_they_are_looked_at(app, then_all_is_well):
    before = app.files
    held = [app.upload("no.png", bytes(19_000_000)) for _ in range(4)]
    assert is_one_plain_sentence(held.pop(), "64 MB at a time")
    assert len(app.files) == len(before) + 3
    for upload in held:
        assert is_one_plain_sentence(app.explain([upload]), "not an image")
    assert app.files == before, "what was refused is still on disk"


@pytest.mark.parametrize(
    ("system", "forwarded", "visitor"),
    [
        ("spaces", [b"8.8.4.4"], "8.8.4.4"),
        (
            "spaces",
            [b"1.1.1.1, 8.8.4.4, 10.0.3.7"],
            "8.8.4.4",
        ),  # the first made up, the last the proxy's own
        ("spaces", [b"1.1.1.1", b"2001:4860:4860::8888"], "2001:4860:4860::8888"),
        ("spaces", [b"unknown, ;--"], "10.1.1.1"),
        ("spaces", [], "10.1.1.1"),
        ("", [b"8.8.4.4"], "10.1.1.1"),  # no proxy stands there, so anybody may say anything
    ],
)
def test_case_visitors_of_a_space_are_told_apart(system, forwarded, visitor, monkeypatch):
    monkeypatch.setenv("SYSTEM", system)
    headers = [(b"x-forwarded-for", value) for value in forwarded]
    assert visitor_of({"type": "http", "client": ("10.1.1.1", 5), "headers": headers}) == visitor


def test_case_an_upload_that_is_broken_off_leaves_nothing(app, then_all_is_well):
    before, start = (
        app.files,
        b"--x\r\nContent-Disposition: form-data; name=files; filename=a.png\r\n\r\n" + bytes(3_000_000),
    )
    head = (
        f"POST /gradio_api/upload HTTP/1.1\r\nHost: 127.0.0.1:{app.port}\r\nContent-Length: 9000000\r\n"
        "Content-Type: multipart/form-data; boundary=x\r\n\r\n"
    )
    with socket.create_connection(("127.0.0.1", app.port)) as connection:
        connection.sendall(head.encode() + start)
    assert app.files == before


def test_case_an_image_is_off_the_disk_once_it_was_looked_at_and_may_be_asked_about_again(app, then_all_is_well):
    before, upload = app.files, app.upload(*GOOD)
    assert len(app.files) == len(before) + 1
    first = app.explain([upload])
    assert app.files == before
    assert app.explain([upload]) == first
    assert app.explain([upload], target="dog").images[0]["target"] == "dog"


def test_case_the_folder_of_an_upload_is_no_image(app, then_all_is_well):
    upload = app.upload(*GOOD)
    folder = str(Path(upload["path"]).parent)
    for path in (folder, str(Path(folder).parent), upload["path"] + "/..", folder + "/../../x/" + GOOD[0]):
        assert is_one_plain_sentence(app.explain([upload | {"path": path}]), "not understood")
    assert is_one_plain_sentence(app.explain([upload | {"path": folder + "/other.png"}]), "no longer here")
    assert app.explain([upload]).refusal is None


@pytest.mark.parametrize("method", APP_METHODS)
@pytest.mark.parametrize("layer", LAYERS)
def test_case_same_image_after_a_heatmap(app, then_all_is_well, layer, method):
    first, second = (app.show(GOOD, layer=layer, method=method, target="dog", opacity=1) for _ in range(2))
    assert first == second
    assert first.images[0]["target"] == "dog"


def test_case_several_images_are_answered_in_order(app, upright, then_all_is_well):
    both = app.show(OTHER, GOOD)
    assert [answer["name"] for answer in both.images] == [OTHER[0], GOOD[0]]
    assert both.images[1]["top"][0]["class"] == upright.images[0]["top"][0]["class"]
    assert len(app.show(*[GOOD] * MAX_IMAGES).images) == MAX_IMAGES
    assert is_one_plain_sentence(app.show(*[GOOD] * (MAX_IMAGES + 1)), "At most 8 images")


def test_case_one_bad_image_among_good_ones_is_named(app, then_all_is_well):
    assert is_one_plain_sentence(app.show(GOOD, ("cut.jpg", encoded(scene(), "JPEG")[:300])), "cut.jpg")


def test_case_two_visitors_interleaved(app, upright, then_all_is_well):
    theirs = {"layer": "layer1", "target": "ship", "opacity": 0.3}
    alone = app.show(OTHER, **theirs)

    def visit(number: int) -> Reply:
        return app.show(OTHER, **theirs) if number % 2 else app.show(GOOD)

    with ThreadPoolExecutor(2) as visitors:
        replies = list(visitors.map(visit, range(12)))
    assert replies == [upright, alone] * 6


def test_case_fifty_requests_at_once(app, upright, then_all_is_well):
    upload = app.upload(*GOOD)
    start = threading.Barrier(50)

    def ask(_number: int) -> Reply:
        start.wait()
        return app.explain([upload])

    with ThreadPoolExecutor(50) as visitors:
        replies = list(visitors.map(ask, range(50)))
    served = [reply for reply in replies if reply.refusal is None]
    assert served == [upright] * len(served)
    assert len(served) >= 20
    turned_away = [reply for reply in replies if reply.refusal is not None]
    assert {(reply.refusal, reply.status) for reply in turned_away} <= {(BUSY, 503)}


def test_case_the_answer_is_the_networks_own(app, then_all_is_well):
    network, image = load_pretrained(), to_32x32(scene()).copy()
    reply = app.show(GOOD, top=10, layer="layer2", method="hirescam", target="frog", opacity=0.5)
    expected = predict(network, image)[0]
    for one in reply.images[0]["top"]:
        assert one["probability"] == pytest.approx(expected[CLASSES.index(one["class"])].item(), abs=1e-6)
    heat = gradcam(network, image, CLASSES.index("frog"), "layer2", "hirescam")[0].numpy()
    assert png_address(image) in reply.html
    assert png_address(with_heat(image, heat, 0.5, 32)) in reply.html


def test_case_a_body_that_is_no_json(app, then_all_is_well):
    answer = app.client.post("/gradio_api/call/explain", content="{", headers={"Content-Type": "application/json"})
    assert answer.status_code == 422
    assert is_one_plain_sentence(Reply(refusal=answer.json()["detail"]), "not understood")


def test_case_gradio_client_is_served_as_well(app, upright, then_all_is_well, tmp_path):
    gradio_client = pytest.importorskip("gradio_client", reason="with gradio's own client (pip install gradio-client)")
    (tmp_path / GOOD[0]).write_bytes(GOOD[1])
    client = gradio_client.Client(app.address, verbose=False, analytics_enabled=False)
    html, data = client.predict(
        [gradio_client.handle_file(tmp_path / GOOD[0])], *SETTINGS.values(), api_name="/explain"
    )
    assert (html, data["pictures"]) == (upright.html, upright.images)


@pytest.mark.parametrize("path", ["/etc/passwd", str(WEIGHTS_DIR / "page_resnet_cifar10.json"), "../../etc/passwd"])
def test_case_no_file_of_the_server_is_served(app, then_all_is_well, path):
    answer = app.client.get(f"/gradio_api/file={path}")
    assert answer.status_code in (403, 404)
    assert "root:" not in answer.text
    assert "sha256" not in answer.text


def test_case_the_page_names_no_other_host(app, then_all_is_well):
    page = app.client.get("/").text
    assert not re.search(r"(?:src|href)=\"(?:https?:)?//", page)
    assert "fonts.googleapis" not in page


# ---- weights that are not what they should be: the app refuses to start, and no code of theirs runs ----


class Code:
    """Unpickling this would create a file."""

    def __init__(self, marker: Path) -> None:
        self.marker = marker

    def __reduce__(self):
        return Path.touch, (self.marker,)


def shipped_weights(folder: Path) -> Path:
    for suffix in (".safetensors", ".json"):
        content = (WEIGHTS_DIR / "page_resnet_cifar10").with_suffix(suffix).read_bytes()
        (folder / "weights").with_suffix(suffix).write_bytes(content)
    return folder / "weights.safetensors"


@pytest.mark.parametrize("harm", ["missing", "card missing", "truncated", "wrong hash", "pickle with code", "another"])
def test_case_weights_refused_at_the_start(harm, tmp_path, capsys):
    weights, marker = shipped_weights(tmp_path), tmp_path / "ran"
    whole, card = weights.read_bytes(), weights.with_suffix(".json")
    if harm == "missing":
        weights.unlink()
    elif harm == "card missing":
        card.unlink()
    elif harm == "truncated":
        weights.write_bytes(whole[: len(whole) // 2])
    elif harm == "wrong hash":
        weights.write_bytes(whole[:-1] + bytes([whole[-1] ^ 1]))
    elif harm == "pickle with code":
        torch.save({"state_dict": Code(marker)}, weights)
    else:
        save_file({"weight": torch.zeros(1)}, weights)
    if harm in ("pickle with code", "another"):  # whoever swaps the weights can swap the card's hash, too
        import hashlib

        record = json.loads(card.read_text()) | {"sha256": hashlib.sha256(weights.read_bytes()).hexdigest()}
        card.write_text(json.dumps(record))
    with pytest.raises(SystemExit) as exit:
        main(["app", "--weights", str(weights)])
    assert exit.value.code == 2
    said = capsys.readouterr().err
    assert said.startswith("s12: weights.safetensors")
    assert said.count("\n") == 1
    assert str(tmp_path) not in said
    assert not marker.exists()


@pytest.mark.parametrize("port", [0, 70_000, -1])
def test_case_no_port_at_all_is_refused_at_the_start(port, capsys):
    with pytest.raises(SystemExit) as exit:
        main(["app", f"--port={port}"])
    assert exit.value.code == 2
    assert "A port is a number from 1 to 65535" in capsys.readouterr().err


def test_case_a_taken_port_is_refused_at_the_start(app, capsys):
    with pytest.raises(SystemExit) as exit:
        main(["app", "--port", str(app.port)])
    assert exit.value.code == 2
    assert f"Port {app.port} is taken" in capsys.readouterr().err


def test_case_uploads_lie_in_a_folder_that_no_other_user_of_the_machine_can_open(monkeypatch):
    monkeypatch.setenv("GRADIO_TEMP_DIR", "")
    app = build_app()
    (folder,) = {Path(block.GRADIO_CACHE) for block in app.blocks.values() if hasattr(block, "GRADIO_CACHE")}
    assert folder == app.uploads.folder
    if os.name == "posix":
        assert stat.S_IMODE(folder.stat().st_mode) == 0o700


# ---- decoding and uploads by themselves ----


@pytest.fixture
def uploads(tmp_path):
    kept = Uploads(tmp_path / "uploads", Decoders(1, seconds=1))
    yield kept
    kept.close()


@pytest.mark.skipif(os.name != "posix", reason="NOT CHECKED: a limit on processor time is POSIX's")
def test_case_an_image_made_to_take_for_ever_is_given_up_and_others_are_served(uploads):
    slow = uploads.keep("them", "slow.gif", app_cases.slow_gif(2_000_000))
    with pytest.raises(ImageError, match=r"slow\.gif takes too long to decode: choose a simpler image\."):
        uploads.read([slow])
    good = uploads.keep("us", *GOOD)
    assert (uploads.read([good])[0].image == to_32x32(scene())).all()
    assert not [path for path in uploads.folder.rglob("*") if path.is_file()]


def test_case_a_child_that_was_killed_is_replaced(uploads):
    first, second = (uploads.keep("us", *file) for file in (GOOD, OTHER))
    uploads.read([first])
    child = uploads.decoders.free.get()
    child.kill()
    child.wait()
    uploads.decoders.free.put(child)
    assert (uploads.read([second])[0].image == to_32x32(scene(seed=1))).all()


def test_case_the_sweep_survives_whatever_lies_there(uploads, monkeypatch):
    gone, folder, late = (uploads.keep("us", *GOOD) for _ in range(3))
    Path(gone).unlink()
    Path(folder).unlink()
    Path(folder).mkdir()
    word = uploads.reserve("us", 10)
    now = time.time()
    monkeypatch.setattr(time, "time", lambda: now + MAX_AGE + 1)
    uploads.sweep()
    assert not uploads.held
    assert not Path(late).exists()
    uploads.release(word)
    assert uploads.reserve("us", VISITOR_BYTES)
    with pytest.raises(UploadError, match="64 MB at a time"):
        uploads.reserve("us", 1)
    assert uploads.reserve("them", 1)


def test_case_what_is_remembered_is_forgotten_after_an_hour(uploads, monkeypatch):
    path = uploads.keep("us", *GOOD)
    uploads.read([path])
    now = time.time()
    monkeypatch.setattr(time, "time", lambda: now + MAX_AGE + 1)
    uploads.sweep()
    with pytest.raises(ImageError, match="no longer here"):
        uploads.read([path])


LEFT_BEHIND = """
import os, sys
from pathlib import Path
from types import SimpleNamespace
from typing import ClassVar
from s12lib.app.decoding import Decoders
from s12lib.app.uploads import Uploads

uploads = Uploads(Path(sys.argv[1]), Decoders(1))
uploads.keep("us", "cat.png", b"a cat")
os._exit(9)
"""


def test_case_what_a_killed_app_left_is_removed_at_the_next_start_and_a_living_ones_is_not(uploads, tmp_path):
    alive = uploads.keep("us", *GOOD)
    subprocess.run([sys.executable, "-c", LEFT_BEHIND, str(tmp_path / "uploads")], check=False)
    assert len(list((tmp_path / "uploads").rglob("cat.png"))) == 1
    Uploads(tmp_path / "uploads", Decoders(1)).close()
    assert not list((tmp_path / "uploads").rglob("cat.png"))
    assert Path(alive).exists()


# ---- visitors who have left ----


def test_case_who_has_left_is_not_computed_for():
    from s12lib.app.gate import Gate
    from s12lib.app.listeners import MAX_UNHEARD

    cleaned = []

    class Queue:
        event_analytics: ClassVar = {"new": {"time": time.time()}, "old": {"time": time.time() - MAX_UNHEARD - 1}}
        pending_messages_per_session: ClassVar = {"ann": 1}

        async def clean_events(self, session_hash):
            cleaned.append(session_hash)

    async def never_ends(_scope, receive, _send):
        await asyncio.sleep(3600)

    blocks = SimpleNamespace(fns={}, _queue=Queue())
    gate = Gate(never_ends, blocks, None, 8)
    heard = []

    async def visit():
        leave = asyncio.Event()

        async def receive():
            await leave.wait()
            return {"type": "http.disconnect"}

        scope = {"type": "http", "method": "GET", "path": "/gradio_api/queue/data", "query_string": b"session_hash=ann"}
        visiting = asyncio.ensure_future(gate(scope, receive, None))
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        heard.append(gate.listeners.is_awaited("ann", "old"))
        leave.set()
        await visiting

    with ThreadPoolExecutor(1) as apart:  # a test in a browser before this one leaves its loop running in this thread
        apart.submit(asyncio.run, visit()).result()
    assert heard == [True]
    assert cleaned == ["ann"], "what waits for its turn was not dropped"
    assert blocks.is_awaited("ann", "old") is False
    Queue.event_analytics["new"]["time"] = time.time()  # now, however slow the machine has been until here
    assert blocks.is_awaited("ann", "new") is True  # may be about to listen


@pytest.mark.parametrize("hangs_up", [True, False])
def test_case_who_asks_while_the_answers_end_is_answered_once_that_is_noticed(hangs_up, monkeypatch):
    """A page that was told that no more answers come, and has not read it yet, would not ask for the next one."""
    from gradio.server_messages import CloseStreamMessage

    from s12lib.app import listeners
    from s12lib.app.gate import Gate

    monkeypatch.setattr(listeners, "MAX_FAREWELL", PATIENCE if hangs_up else 0.2)
    farewell = json.dumps(CloseStreamMessage().model_dump(), separators=(",", ":"), default=str).encode()
    cleaned, happened = [], []

    class Queue:
        event_analytics: ClassVar = {}
        pending_messages_per_session: ClassVar = {"ann": 1}

        async def clean_events(self, session_hash):
            cleaned.append(session_hash)

    async def gradio(scope, receive, send):
        happened.append(scope["method"])
        await send({"type": "http.response.start", "status": 200, "headers": []})
        if scope["method"] == "GET":
            await send({"type": "http.response.body", "body": b"data: " + farewell, "more_body": True})
        await send({"type": "http.response.body", "body": b"", "more_body": False})

    blocks = SimpleNamespace(fns={0: SimpleNamespace(api_name="x", api_visibility="public", inputs=[])}, _queue=Queue())
    gate = Gate(gradio, blocks, None, 8)
    scope = {"type": "http", "headers": [], "query_string": b"session_hash=ann"}
    body = b'{"session_hash": "ann", "fn_index": 0, "data": []}'

    async def visit():
        left = asyncio.Event()

        async def told(message):
            happened.append(("ann hears", message.get("body")))

        async def until_left():
            await left.wait()
            return {"type": "http.disconnect"}

        async def asked():
            return {"type": "http.request", "body": body}

        async def joined(message):
            happened.append(message["type"])

        async def until(what):
            while what not in happened:
                await asyncio.sleep(0.001)

        listening = gate(scope | {"method": "GET", "path": "/gradio_api/queue/data"}, until_left, told)
        listening = asyncio.ensure_future(listening)
        await until(("ann hears", b"data: " + farewell))
        joining = gate(scope | {"method": "POST", "path": "/gradio_api/queue/join"}, asked, joined)
        joining = asyncio.ensure_future(joining)
        await until("POST")
        if hangs_up:
            for _ in range(20):
                await asyncio.sleep(0.001)
            assert "http.response.start" not in happened, "answered before the farewell was heard"
            left.set()
        await asyncio.gather(listening, joining)
        assert "http.response.start" in happened

    with ThreadPoolExecutor(1) as apart:
        apart.submit(asyncio.run, visit()).result()
    assert cleaned == [], "what was asked meanwhile was dropped"
    assert gate.listeners.parting == {}


# ---- what takes minutes ----


@pytest.mark.slow
@pytest.mark.parametrize("how", ["SIGINT", "SIGTERM", "SIGHUP"])
def test_case_ended_in_the_background_leaves_nothing(how, tmp_path):
    app = RunningApp(tmp_path)
    app.upload(*GOOD)
    app.close(getattr(signal, how))
    assert app.process.returncode == 0
    assert not list((tmp_path / "uploads").iterdir())
    assert "Traceback" not in app.log


@pytest.mark.slow
def test_case_killed_in_mid_request_and_restarted(tmp_path):
    first = RunningApp(tmp_path)
    answer, upload = first.show(GOOD), first.upload(*GOOD)

    def keep_asking() -> None:
        with suppress(httpx.HTTPError, RuntimeError):  # the app is gone, then the client is closed
            for _ in range(100):
                first.explain([upload] * MAX_IMAGES, layer="prep")

    request = threading.Thread(target=keep_asking)
    request.start()
    request.join(1)
    assert request.is_alive(), "the requests were over before the app was killed"
    first.close(signal.SIGKILL)
    request.join(PATIENCE)
    with closing(RunningApp(tmp_path)) as second:
        assert second.show(GOOD) == answer
    assert not list((tmp_path / "uploads").rglob(GOOD[0])), "the upload outlived the app"


def ask(app: RunningApp, count: int) -> None:
    """So many good requests, one after the other, for two images and all layers."""
    for number in range(count):
        reply = app.show(GOOD if number % 3 else OTHER, layer=LAYERS[number % len(LAYERS)])
        assert reply.refusal is None


def resources(process: int) -> dict[str, int]:
    """What a process holds: memory, threads, open files."""
    status = Path(f"/proc/{process}")
    kilobytes = int(re.search(r"VmRSS:\s+(\d+) kB", (status / "status").read_text())[1])
    counts = {name: len(list((status / folder).iterdir())) for name, folder in (("threads", "task"), ("files", "fd"))}
    return counts | {"megabytes": kilobytes // 1024}


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/fd").exists(), reason="on Linux")
def test_case_a_thousand_in_a_row_leave_nothing_behind(tmp_path, monkeypatch):
    monkeypatch.setenv("MALLOC_ARENA_MAX", "1")  # otherwise what leaks hides in what the allocator holds in reserve
    monkeypatch.setenv("MALLOC_MMAP_THRESHOLD_", "32768")
    with closing(RunningApp(tmp_path)) as app:
        ask(app, 100)
        before = resources(app.process.pid)
        ask(app, 1000)
        after = resources(app.process.pid)
        assert app.log.count("\n") == 2
    assert after["megabytes"] - before["megabytes"] < 20
    assert after["threads"] <= before["threads"] + 4
    assert after["files"] <= before["files"] + 4
    assert not [path for name in (GOOD[0], OTHER[0]) for path in (tmp_path / "uploads").rglob(name)]


def test_case_hooks_and_modes_stay_as_they_were():
    from s12lib.app.answers import Expert

    expert = Expert("page_resnet_cifar10")
    settings = [expert.settings(3, layer, method, "cat", 0.5) for layer in LAYERS for method in APP_METHODS]
    images = np.stack([to_32x32(scene())])
    before = {key: value.clone() for key, value in expert.network.state_dict().items()}
    for wanted in settings:
        expert.answers(["scene"], images, wanted)
    modules = list(expert.network.modules())
    assert not any(m._forward_hooks or m._backward_hooks or m._forward_pre_hooks or m.training for m in modules)
    assert all(parameter.grad is None for parameter in expert.network.parameters())
    assert all(torch.equal(before[key], value) for key, value in expert.network.state_dict().items())
