"""Files are whole or not there; a fault is told by the name of the file that was meant."""

import errno
import os
import time

import pytest

from s12lib.errors import cleaned, sentence
from s12lib.files import atomic_path, atomic_write, atomic_write_all, beside


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EACCES])
def test_a_full_disk_is_told_by_the_name_of_the_file_though_the_system_names_none(number, tmp_path):
    path = tmp_path / "last.ckpt"
    path.write_text("before")

    def fill():
        with atomic_path(path) as partial:
            partial.write_text("half")
            raise OSError(number, os.strerror(number))  # as `write` has it, which knows no name

    with pytest.raises(OSError, match=r"last\.ckpt'$") as caught:
        fill()
    assert sentence(caught.value).startswith(f"{path}: ")
    assert [(each.name, each.read_text()) for each in tmp_path.iterdir()] == [("last.ckpt", "before")]


def test_a_folder_in_the_place_of_a_file_is_named_and_not_the_temporary_file(tmp_path):
    (tmp_path / "card.json").mkdir()
    with pytest.raises(IsADirectoryError) as caught:
        atomic_write(tmp_path / "card.json", b"{}")
    assert sentence(caught.value) == f"{tmp_path / 'card.json'}: it is a folder."


def test_of_files_that_belong_together_all_or_none_are_written(tmp_path):
    (tmp_path / "weights").write_text("old")
    (tmp_path / "card").mkdir()
    with pytest.raises(OSError, match="card"):
        atomic_write_all({tmp_path / "weights": b"new", tmp_path / "card": b"new", tmp_path / "curve": b"new"})
    assert sorted(each.name for each in tmp_path.iterdir()) == ["card", "weights"]
    assert (tmp_path / "weights").read_text() == "old"
    (tmp_path / "card").rmdir()
    atomic_write_all({tmp_path / "weights": b"new", tmp_path / "card": b"new"})
    assert {each.read_bytes() for each in tmp_path.iterdir()} == {b"new"}


def test_what_a_killed_writer_left_is_cleared_by_the_next_and_what_others_write_is_not(tmp_path):
    names = ["a.json.17.part", "a.json.18.part", "b.json.17.part", "a.json.x.part", "a.json.17.part.txt"]
    for name in names:
        (tmp_path / name).write_text("half")
        os.utime(tmp_path / name, (time.time() - 7200,) * 2)
    os.utime(tmp_path / "a.json.18.part")  # somebody is at it
    atomic_write(tmp_path / "a.json", b"{}")
    assert {each.name for each in tmp_path.iterdir()} == {"a.json", *names[1:]}


def test_a_mistyped_file_gets_the_nearest_name_beside_it(tmp_path):
    (tmp_path / "smoke.yaml").touch()
    assert beside(tmp_path / "smok.yaml") == "; did you mean smoke.yaml?"
    for name in ("smoke.yaml", "smoke.json", "zebra.yaml", "nowhere/smok.yaml"):
        assert beside(tmp_path / name) == "."


def test_a_name_is_shown_as_it_reads():
    assert cleaned("a\u202eb\nc\x1b[31m\u200bé 木") == "abc[31mé 木"
