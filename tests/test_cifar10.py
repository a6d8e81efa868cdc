"""CIFAR-10 on disk: made once, checked whenever it is read, never half-written, and nothing in it is executed."""

import errno
import hashlib
import http.server
import io
import os
import pickle
import re
import socket
import tarfile
import threading
import tracemalloc
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from s12lib.data import cifar10
from s12lib.data.cifar10 import CLASSES, prepare_cifar10, read_cifar10, write_cifar10
from s12lib.data.location import DataError, default_data_dir

FULL = {"train": 50_000, "test": 10_000}
SMALL = {"train": 50, "test": 10}  # the same checks on a thousandth of the images


def make_arrays(sizes: dict[str, int]) -> dict[str, np.ndarray]:
    """Arrays as in ``cifar10.npz``: brightness grows by row, column and channel in ways that no axis swap keeps."""
    row, column, channel = np.ogrid[:32, :32, :3]
    image = (row * 3 + column * 2 + channel * 50).astype(np.uint8)
    arrays = {}
    for split, count in sizes.items():
        arrays[f"{split}_images"] = np.broadcast_to(image, (count, 32, 32, 3)).copy()
        arrays[f"{split}_images"][:, 0, 0, 0] = np.arange(count) % 251
        arrays[f"{split}_labels"] = (np.arange(count) * 7 % 10).astype(np.uint8)
    return arrays


def same(one: dict[str, np.ndarray], other: dict[str, np.ndarray]) -> bool:
    return one.keys() == other.keys() and all(
        one[name].dtype == other[name].dtype and np.array_equal(one[name], other[name]) for name in one
    )


def npz(arrays: dict[str, np.ndarray], save: Callable = np.savez) -> bytes:
    buffer = io.BytesIO()
    save(buffer, **arrays)
    return buffer.getvalue()


@pytest.fixture
def small(monkeypatch) -> dict[str, np.ndarray]:
    """Arrays of 50 + 10 images, and a module that takes this for the size of CIFAR-10."""
    monkeypatch.setattr(cifar10, "SIZES", SMALL)
    return make_arrays(SMALL)


# ---- reading ---------------------------------------------------------------------------------------------------------


def test_the_real_file_is_whole(real_cifar10):
    arrays = read_cifar10(real_cifar10)
    assert {name: array.shape for name, array in arrays.items()} == {
        "train_images": (50_000, 32, 32, 3),
        "train_labels": (50_000,),
        "test_images": (10_000, 32, 32, 3),
        "test_labels": (10_000,),
    }
    # the first images are known: a frog, two trucks, a deer, a car; a cat, two ships, an airplane, a frog
    assert [CLASSES[k] for k in arrays["train_labels"][:5]] == ["frog", "truck", "truck", "deer", "automobile"]
    assert [CLASSES[k] for k in arrays["test_labels"][:5]] == ["cat", "ship", "ship", "airplane", "frog"]


def test_what_was_written_is_read_back(small, tmp_path):
    write_cifar10(small, tmp_path / "cifar10.npz")
    assert same(read_cifar10(tmp_path / "cifar10.npz"), small)


def test_a_compressed_file_is_read_too(small, tmp_path):
    path = tmp_path / "cifar10.npz"
    path.write_bytes(npz(small, np.savez_compressed))
    assert same(read_cifar10(path), small)


class RunsCode:
    """An object whose unpickling makes a folder: what an attacker would put into the file."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def __reduce__(self) -> tuple:
        return os.mkdir, (str(self.folder),)


def with_object_array(arrays: dict[str, np.ndarray], trap: Path) -> bytes:
    return npz(arrays | {"train_labels": np.array([RunsCode(trap)] * 50, dtype=object)})


def changed(name: str, change: Callable[[np.ndarray], np.ndarray]) -> Callable[[dict, Path], bytes]:
    return lambda arrays, trap: npz(arrays | {name: change(arrays[name])})


def one_label(value: int) -> Callable[[np.ndarray], np.ndarray]:
    return lambda labels: np.concatenate([np.array([value], np.uint8), labels[1:]])


DAMAGED = {
    "empty": (lambda arrays, trap: b"", "not a zip file"),
    "text": (lambda arrays, trap: b"<html>Sign in to the network</html>", "not a zip file"),
    "pickle": (lambda arrays, trap: pickle.dumps(RunsCode(trap)), "not a zip file"),
    "truncated": (lambda arrays, trap: npz(arrays)[:-1000], "not a zip file"),
    "first half": (lambda arrays, trap: npz(arrays)[:90_000], "not a zip file"),
    "one pixel changed": (lambda arrays, trap: npz(arrays).replace(b"\x00\x32\x64", b"\x01\x32\x64", 1), "CRC"),
    "object array": (with_object_array, "no plain arrays"),
    "missing array": (lambda a, trap: npz({k: v for k, v in a.items() if k != "test_images"}), "no array test_images"),
    "too few images": (changed("train_images", lambda x: x[:-1]), r"train_images is uint8 \(49, 32, 32, 3\)"),
    "channels first": (changed("test_images", lambda x: x.transpose(0, 3, 1, 2)), r"uint8 \(10, 3, 32, 32\)"),
    "too few labels": (changed("test_labels", lambda x: x[:-1]), r"test_labels is uint8 \(9,\)"),
    "float images": (changed("train_images", lambda x: x / np.float32(255)), "train_images is float32"),
    "wide labels": (changed("train_labels", lambda x: x.astype(np.int64)), "train_labels is int64"),
    "label out of range": (changed("train_labels", one_label(10)), "train_labels does not hold 5 of each label 0 to 9"),
    "label 255": (changed("test_labels", one_label(255)), "test_labels does not hold 1 of each label 0 to 9"),
    "one class too often": (changed("train_labels", one_label(1)), "train_labels does not hold 5 of each"),
}


@pytest.mark.parametrize("damage", DAMAGED)
def test_a_damaged_file_is_refused_by_name_and_left_alone(damage, small, tmp_path):
    make, fault = DAMAGED[damage]
    path, trap = tmp_path / "cifar10.npz", tmp_path / "trap"
    content = make(small, trap)
    assert content != npz(small)
    path.write_bytes(content)
    for read in (lambda: read_cifar10(path), lambda: prepare_cifar10(tmp_path)):
        with pytest.raises(DataError, match=fault) as refusal:
            read()
        assert str(path) in str(refusal.value)
        assert "\n" not in str(refusal.value)
    assert not trap.exists(), "code inside the file was run"
    assert path.read_bytes() == content
    assert os.listdir(tmp_path) == ["cifar10.npz"]


def test_a_missing_file_is_told_as_such(tmp_path):
    with pytest.raises(DataError, match="it is not there"):
        read_cifar10(tmp_path / "cifar10.npz")


# Where the headers of a compressed file lie: the parsers of zipfile, zlib and numpy meet every one of these bytes.
COMPRESSED = npz(make_arrays(SMALL), np.savez_compressed)


@settings(max_examples=150)
@given(st.integers(0, len(COMPRESSED) - 1), st.integers(0, 255), st.booleans())
def test_any_damage_leads_to_a_refusal_or_to_the_same_arrays(tmp_path_factory, position, value, cut):
    path = tmp_path_factory.getbasetemp() / "fuzzed.npz"
    tail = b"" if cut else COMPRESSED[position + 1 :]
    path.write_bytes(COMPRESSED[:position] + bytes([value]) + tail)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(cifar10, "SIZES", SMALL)
        try:
            arrays = read_cifar10(path)
        except DataError:
            return
    assert same(arrays, make_arrays(SMALL))


# ---- writing ---------------------------------------------------------------------------------------------------------


def half_write(fault: BaseException) -> Callable:
    """A ``np.savez`` that writes a part and fails."""

    def savez(file, **arrays: np.ndarray) -> None:
        file.write(npz(arrays)[:1000])
        raise fault

    return savez


@pytest.mark.parametrize("fault", [KeyboardInterrupt(), OSError(errno.ENOSPC, "No space left on device")])
def test_an_interrupted_write_leaves_the_old_file_and_no_half_one(fault, small, tmp_path, monkeypatch):
    path = tmp_path / "cifar10.npz"
    path.write_bytes(b"the old one")
    monkeypatch.setattr(np, "savez", half_write(fault))
    with pytest.raises(type(fault)):
        write_cifar10(small, path)
    assert path.read_bytes() == b"the old one"
    assert os.listdir(tmp_path) == ["cifar10.npz"]


def test_the_file_takes_its_name_only_when_it_is_whole(small, tmp_path, monkeypatch):
    path, renamed = tmp_path / "cifar10.npz", []
    replace = os.replace

    def watch(source: Path, target: Path) -> None:
        renamed.append((same(read_cifar10(source), small), target.exists()))
        replace(source, target)

    monkeypatch.setattr(os, "replace", watch)
    write_cifar10(small, path)
    assert renamed == [(True, False)]
    assert os.listdir(tmp_path) == ["cifar10.npz"]


def test_a_full_disk_is_told_in_one_sentence_with_the_ways_out(small, tmp_path, monkeypatch):
    source = tmp_path / "copy.npz"
    write_cifar10(small, source)
    monkeypatch.setattr(np, "savez", half_write(OSError(errno.ENOSPC, "No space left on device")))
    with pytest.raises(
        DataError, match=r"npz: the disk is full: free some space.*s12 data --from.*S12_DATA_DIR.*Shapes"
    ):
        prepare_cifar10(tmp_path / "data", source)
    assert left(tmp_path / "data") == []


def test_a_folder_that_cannot_be_made_is_told_with_the_ways_out(tmp_path):
    (tmp_path / "file").write_text("no folder")
    with pytest.raises(DataError, match=r".*S12_DATA_DIR.*Shapes"):
        prepare_cifar10(tmp_path / "file" / "data")


def test_a_read_only_folder_is_told_with_the_ways_out(tmp_path, monkeypatch):
    def denied(*_args, **_settings):  # as for everybody but root
        raise PermissionError(errno.EACCES, "Permission denied", str(tmp_path))

    monkeypatch.setattr(cifar10.tempfile, "TemporaryDirectory", denied)
    with pytest.raises(DataError, match=r"look at its permissions.*S12_DATA_DIR"):
        prepare_cifar10(tmp_path)


def test_the_data_folder_is_s12_data_dir_or_data(monkeypatch):
    monkeypatch.setenv("S12_DATA_DIR", "/somewhere/else")
    assert default_data_dir() == Path("/somewhere/else")
    monkeypatch.delenv("S12_DATA_DIR")
    assert default_data_dir() == Path("data")


# ---- the real torchvision path, on loopback --------------------------------------------------------------------------


def make_archive(arrays: dict[str, np.ndarray]) -> tuple[bytes, dict[str, str]]:
    """The arrays as a ``cifar-10-python.tar.gz`` like Krizhevsky's, and the MD5 of each file in it."""
    files = {"batches.meta": {"label_names": list(CLASSES)}}
    images, labels = np.split(arrays["train_images"], 5), np.split(arrays["train_labels"], 5)
    batches = {f"data_batch_{k + 1}": (images[k], labels[k]) for k in range(5)}
    batches["test_batch"] = arrays["test_images"], arrays["test_labels"]
    for name, (x, y) in batches.items():
        files[name] = {"data": x.transpose(0, 3, 1, 2).reshape(len(x), 3072), "labels": y.tolist()}
    buffer, md5s = io.BytesIO(), {}
    with tarfile.open(fileobj=buffer, mode="w:gz", compresslevel=1) as archive:
        for name, content in files.items():
            member = tarfile.TarInfo(f"cifar-10-batches-py/{name}")
            data = pickle.dumps(content)
            member.size, md5s[name] = len(data), hashlib.md5(data).hexdigest()
            archive.addfile(member, io.BytesIO(data))
    return buffer.getvalue(), md5s


def left(folder: Path) -> list[str]:
    """What is in a folder, but for the lock of the downloads."""
    return sorted(set(os.listdir(folder)) - {".lock"})


@pytest.fixture
def torchvision_expects(monkeypatch) -> Callable[[bytes, dict[str, str], str], None]:
    """Makes torchvision take an archive of ours, at a URL of ours, for the one it knows."""
    from torchvision.datasets import CIFAR10

    def expect(archive: bytes, md5s: dict[str, str], url: str) -> None:
        monkeypatch.setattr(CIFAR10, "url", url)
        monkeypatch.setattr(cifar10, "COPIES", ())
        monkeypatch.setattr(CIFAR10, "tgz_md5", hashlib.md5(archive).hexdigest())
        monkeypatch.setattr(CIFAR10, "train_list", [[f"data_batch_{k}", md5s[f"data_batch_{k}"]] for k in range(1, 6)])
        monkeypatch.setattr(CIFAR10, "test_list", [["test_batch", md5s["test_batch"]]])
        monkeypatch.setattr(CIFAR10, "meta", CIFAR10.meta | {"md5": md5s["batches.meta"]})

    monkeypatch.setenv("no_proxy", "*")
    return expect


@contextmanager
def served(body: bytes, announced: int | None = None) -> Iterator[tuple[str, list[str]]]:
    """Serve one file on loopback, and list what was asked for; with ``announced``, promise that many bytes."""
    asked = []

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.append(self.path)
            self.send_response(200)
            self.send_header("Content-Length", str(len(body) if announced is None else announced))
            self.end_headers()
            with suppress(ConnectionError):  # torchvision first asks without reading the answer
                self.wfile.write(body)

        def log_message(self, *args: object) -> None:
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}/cifar-10-python.tar.gz", asked
        server.shutdown()


@pytest.fixture
def closed_port() -> str:
    """A URL at which nobody listens: the network is down."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return f"http://127.0.0.1:{free.getsockname()[1]}/cifar-10-python.tar.gz"


def test_the_download_becomes_the_file_in_cifars_order_and_is_made_only_once(tmp_path, torchvision_expects):
    arrays = make_arrays(FULL)
    archive, md5s = make_archive(arrays)
    with served(archive) as (url, asked):
        torchvision_expects(archive, md5s, url)
        path = prepare_cifar10(tmp_path / "deep" / "data")
        assert path == tmp_path / "deep" / "data" / "cifar10.npz"
        assert same(read_cifar10(path), arrays)
        assert left(path.parent) == ["cifar10.npz"], "the archive and its batches are cleared away"
        before, requests = path.stat(), len(asked)
        assert prepare_cifar10(path.parent) == path
        after = path.stat()
        assert (after.st_mtime_ns, after.st_ino) == (before.st_mtime_ns, before.st_ino), "it was written again"
        assert len(asked) == requests, "it was downloaded again"


def test_without_network_the_ways_out_are_told(tmp_path, torchvision_expects, closed_port):
    torchvision_expects(*make_archive(make_arrays(SMALL)), closed_port)
    with pytest.raises(DataError, match=r"could not be downloaded.*s12 data --from.*S12_DATA_DIR.*Shapes") as refusal:
        prepare_cifar10(tmp_path)
    assert "\n" not in str(refusal.value)
    assert left(tmp_path) == []


@pytest.mark.parametrize("fault", ["another file", "interrupted", "no HTTP"])
def test_a_download_that_is_not_the_archive_is_never_used(fault, small, tmp_path, torchvision_expects, monkeypatch):
    archive, md5s = make_archive(small)
    body = b"<html>Sign in to the network</html>" if fault == "another file" else archive[: len(archive) // 2]
    if fault == "no HTTP":
        monkeypatch.setattr(http.server.BaseHTTPRequestHandler, "send_response", lambda self, code: None)
    with served(body, announced=len(archive)) as (url, _):
        torchvision_expects(archive, md5s, url)
        with pytest.raises(DataError, match=r"could not be downloaded.*S12_DATA_DIR"):
            prepare_cifar10(tmp_path)
    assert left(tmp_path) in ([], ["cifar-10-python.tar.gz.part"]), "kept for the next try, which may go on from it"


def test_a_batch_of_another_hash_is_not_unpickled(small, tmp_path, torchvision_expects):
    archive, md5s = make_archive(small)
    with served(archive) as (url, _):
        torchvision_expects(archive, md5s | {"data_batch_3": "0" * 32}, url)
        with pytest.raises(DataError, match="could not be downloaded"):
            prepare_cifar10(tmp_path)
    assert left(tmp_path) == ["cifar-10-python.tar.gz"]


def test_a_copy_of_the_archive_is_taken_without_the_network(small, tmp_path, torchvision_expects, closed_port):
    archive, md5s = make_archive(small)
    torchvision_expects(archive, md5s, closed_port)
    source = tmp_path / "my-copy.tar.gz"
    source.write_bytes(archive)
    assert same(read_cifar10(prepare_cifar10(tmp_path / "data", source)), small)
    assert source.read_bytes() == archive


def test_a_damaged_copy_of_the_archive_is_refused_and_not_replaced_by_a_download(small, tmp_path, torchvision_expects):
    archive, md5s = make_archive(small)
    source = tmp_path / "my-copy.tar.gz"
    source.write_bytes(archive[:-100])
    with served(archive) as (url, asked):
        torchvision_expects(archive, md5s, url)
        with pytest.raises(DataError, match=rf"taken from {re.escape(str(source))} \(it is damaged"):
            prepare_cifar10(tmp_path / "data", source)
        assert asked == []
    assert source.read_bytes() == archive[:-100]
    assert left(tmp_path / "data") == []


def test_another_npz_is_taken_after_it_was_checked(small, tmp_path):
    source = tmp_path / "somewhere.npz"
    write_cifar10(small, source)
    path = prepare_cifar10(tmp_path / "data", source)
    assert same(read_cifar10(path), small)
    source.write_bytes(b"damaged since")
    with pytest.raises(DataError, match=re.escape(str(source))):
        prepare_cifar10(tmp_path / "data", source)
    assert same(read_cifar10(path), small), "what was there stays"


def test_a_copy_of_the_archive_elsewhere_is_taken_where_the_host_is_dead(
    small, tmp_path, torchvision_expects, closed_port, monkeypatch
):
    archive, md5s = make_archive(small)
    torchvision_expects(archive, md5s, closed_port)
    with served(archive) as (url, _):
        monkeypatch.setattr(cifar10, "COPIES", (url,))
        assert same(read_cifar10(prepare_cifar10(tmp_path)), small)
    assert left(tmp_path) == [".mirrors.json", "cifar10.npz"]


def test_the_original_host_comes_first_and_the_copies_are_of_the_same_archive():
    first, *copies = cifar10.mirrors()
    assert first == "https://www.cs.toronto.edu/~kriz/cifar-10-python.tar.gz"
    assert all("/cifar-10-python.tar.gz" in copy for copy in copies)


def test_what_a_killed_process_left_is_cleared_and_its_download_goes_on(small, tmp_path, torchvision_expects):
    archive, md5s = make_archive(small)
    (tmp_path / ".unpack-dead").mkdir()
    (tmp_path / ".unpack-dead" / "data_batch_1").write_bytes(b"half")
    (tmp_path / "cifar10.npz.4711.part").write_bytes(b"half")
    (tmp_path / "cifar-10-python.tar.gz.part").write_bytes(archive[:1000])
    with served(archive) as (url, _):
        torchvision_expects(archive, md5s, url)
        assert same(read_cifar10(prepare_cifar10(tmp_path)), small)
    assert left(tmp_path) == ["cifar10.npz"]


def test_an_archive_that_could_not_be_unpacked_is_not_downloaded_again(
    small, tmp_path, torchvision_expects, monkeypatch
):
    archive, md5s = make_archive(small)
    with served(archive) as (url, asked):
        torchvision_expects(archive, md5s, url)
        with monkeypatch.context() as patch:
            patch.setattr(np, "savez", half_write(OSError(errno.ENOSPC, "No space left on device")))
            with pytest.raises(DataError, match="the disk is full"):
                prepare_cifar10(tmp_path)
        assert left(tmp_path) == ["cifar-10-python.tar.gz"]
        asked.clear()
        assert same(read_cifar10(prepare_cifar10(tmp_path)), small)
        assert asked == []


@pytest.mark.parametrize("name", ["missing.npz", "missing.tar.gz"])
def test_a_copy_that_is_not_there_is_named(name, tmp_path):
    with pytest.raises(DataError, match=rf"taken from .*{name} .*it is not there"):
        prepare_cifar10(tmp_path / "data", tmp_path / name)


# ---- files that are not what they seem -------------------------------------------------------------------------------


def bomb(path):
    """A small file whose training images unpack to a gigabyte."""
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
        for name in ("train_labels", "test_images", "test_labels"):
            archive.writestr(f"{name}.npy", b"")
        with archive.open("train_images.npy", "w") as member:
            for _ in range(300):
                member.write(bytes(1_000_000))


def no_array(path):
    with zipfile.ZipFile(path, "w") as archive:
        for name in ("train_images", "train_labels", "test_images", "test_labels"):
            archive.writestr(f"{name}.npy", b"no array at all")


def junk_first(path):
    np.savez(path, train_images=np.zeros(3))
    path.write_bytes(b"junk" + path.read_bytes())


def a_pickle(path):
    path.write_bytes(pickle.dumps({"train_images": [1, 2, 3]}))


def a_pipe(path):
    os.mkfifo(path)


def a_giant(path):
    with open(path, "wb") as file:
        file.truncate(10**12)


def a_folder(path):
    path.mkdir()


@pytest.mark.parametrize("made", [bomb, no_array, junk_first, a_pickle, a_pipe, a_giant, a_folder])
def test_what_is_no_cifar10_is_refused_before_it_is_unpacked_and_nobody_is_told_to_unpickle_it(made, tmp_path):
    path = tmp_path / "cifar10.npz"
    made(path)
    tracemalloc.start()
    with pytest.raises(DataError, match=r"cifar10\.npz") as refusal:
        read_cifar10(path)
    _, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert most < 20_000_000
    assert "pickle" not in str(refusal.value)
    assert "\n" not in str(refusal.value)


def test_data_that_may_not_be_read_are_not_called_damaged(tmp_path, monkeypatch):
    (tmp_path / "cifar10.npz").write_bytes(b"PK")

    def denied(*arguments, **settings):
        raise PermissionError(errno.EACCES, "Permission denied")

    monkeypatch.setattr("builtins.open", denied)
    with pytest.raises(DataError, match="you may not read or write it"):
        read_cifar10(tmp_path / "cifar10.npz")
