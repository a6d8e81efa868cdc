"""A lesson installs what an extra lacks here, and leaves alone what the session has imported."""

import subprocess
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import pytest

from s12lib import lesson

HAS = {"gradio": "5.49.1", "fastapi": "0.120.0", "onnx": "1.19rc1", "starlette": "0.50"}


@pytest.fixture
def asked(monkeypatch):
    """What pip was asked for each time, and the versions that it was told to keep; the first ``fail`` calls fail."""
    calls, fail = [], [0]

    def run(command, **settings):
        kept = Path(command[-1]).read_text().splitlines() if "--constraint" in command else None
        calls.append((command[command.index("--quiet") + 1 :][: -2 if kept is not None else None], kept))
        return subprocess.CompletedProcess(command, int(len(calls) <= fail[0]))

    def found(name):
        if name not in HAS:
            raise PackageNotFoundError(name)
        return HAS[name]

    monkeypatch.setattr(lesson.subprocess, "run", run)
    monkeypatch.setattr(lesson, "_is_here", lambda each, real=lesson._is_here: _with(monkeypatch, found, real, each))
    return calls, fail


def _with(monkeypatch, found, real, each):
    with monkeypatch.context() as patch:
        patch.setattr(lesson, "version", found)
        return real(each)


def test_what_is_missing_or_too_old_is_installed_and_what_is_imported_keeps_its_version(asked):
    calls, _ = asked
    lesson.install_extra("app")
    ((wanted, kept),) = calls
    assert wanted == ["gradio>=6"]
    assert f"torch=={version('torch')}" in kept
    assert f"pytest=={version('pytest')}" in kept
    assert not any(each.startswith("jupyterlab==") for each in kept)
    lesson.install_extra("export")
    assert calls[1][0] == ["onnxruntime>=1.20", "onnxscript>=0.5"]


def test_nothing_is_asked_when_all_is_there(monkeypatch):
    monkeypatch.setattr(lesson, "_is_here", lambda each: True)
    monkeypatch.setattr(lesson.subprocess, "run", lambda *command, **settings: pytest.fail("pip was called"))
    lesson.install_extra("app")


def test_where_it_cannot_be_had_without_exchanging_something_a_restart_is_asked_for(asked, capsys):
    calls, fail = asked
    fail[0] = 1
    lesson.install_extra("app")
    assert [kept is None for _, kept in calls] == [False, True]
    assert "restart the session" in capsys.readouterr().out


def test_versions_are_compared_as_numbers():
    assert lesson._numbers("10.2.0+cu130") > lesson._numbers("9.12")
    assert lesson._numbers("6.0") >= lesson._numbers("")
    assert lesson._is_here(f"torch>={version('torch').partition('+')[0]}")
