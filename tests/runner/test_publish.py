"""Publishing is all or nothing: whichever step is the last before a kill."""

import itertools
import os
import signal
import subprocess
from pathlib import Path

import pytest

from helpers import paths
from helpers.errors import Failure, Refusal
from helpers.runner import publish

FIGURES = [f"figures/{number:02}.svg" for number in range(40)]


def stage(folder: Path, **files: str) -> Path:
    """A staging folder with results, figures and the two documents."""
    for name in ("results", "figures"):
        (folder / "report" / name).mkdir(parents=True)
    for name, text in files.items():
        (folder / "report" / "results" / name).write_text(text)
    for name in ("report.html", "report.pdf", "figures/f.svg", *FIGURES):
        (folder / "report" / name).write_text(" ".join(files.values()))
    return folder


def published(output: Path, *more: Path) -> dict[str, str]:
    """Every published file and its content."""
    files = [file for folder in (output, *more) for file in folder.rglob("*") if file.is_file()]
    kept = (
        file for file in files if output / "staging" not in file.parents and file.suffix != ".lock"
    )
    return {os.path.relpath(file, output): file.read_text() for file in kept}


def release(output: Path, number: int, **files: str) -> None:
    """Publish a run as the runner does."""
    with publish.staging(output) as staged:
        stage(staged, **files)
        publish.publish(staged, output, {"number": number})


def test_publishing_replaces_what_a_run_made_and_nothing_else(tmp_path):
    output = tmp_path / "out"
    release(output, 1, old="1", both="1")
    (output / "results" / "mine").write_text("mine")
    release(output, 2, new="2", both="2")
    texts = {file.name: file.read_text() for file in (output / "results").iterdir()}
    assert texts == {"new": "2", "both": "2", "mine": "mine"}


def test_the_same_report_is_known_by_its_files_and_parameters(tmp_path):
    output, about = tmp_path / "out", {"number": 1}
    release(output, 1, both="1")
    (output / "results" / "mine").write_text("mine")
    same, more = stage(tmp_path / "2", both="1"), stage(tmp_path / "3", both="1", new="")
    assert publish.is_published(same, output, about)
    assert not publish.is_published(same, output, {"number": 2})
    assert not publish.is_published(more, output, about)
    assert not publish.is_published(same, tmp_path / "nowhere", about)
    (output / "results" / "both").write_text("2")
    assert not publish.is_published(same, output, about)


def test_a_record_may_say_more_or_less_than_what_is_asked_of_it(tmp_path):
    """The tracked one is older than its provenance, whose date would differ in each run."""
    about, runs = {"number": 1}, (tmp_path / "old", tmp_path / "new")
    for output, more in zip(runs, ({}, {"provenance": {"date": "2026"}}), strict=True):
        with publish.staging(output) as staged:
            publish.publish(stage(staged, a="1"), output, about | more)
        assert publish.is_published(stage(output / "same", a="1"), output, about)
        assert publish.record(output).get("provenance", {}) == more.get("provenance", {})


@pytest.mark.parametrize("text", ["", '{"files"', "[]", '{"files": 1}', "\xff"])
def test_a_damaged_record_is_no_record_and_is_replaced(tmp_path, text):
    release(tmp_path, 1, a="1")
    (tmp_path / "run.json").write_text(text)
    assert publish.record(tmp_path) == {}
    release(tmp_path, 2, a="2")
    assert publish.record(tmp_path)["number"] == 2


def test_nothing_changes_where_something_is_in_the_way(tmp_path):
    release(tmp_path, 1, a="1", b="1")
    before = published(tmp_path)
    (tmp_path / "results" / "blocked").mkdir()
    with pytest.raises(Failure, match="results/blocked: nothing is published"):
        release(tmp_path, 2, a="2", blocked="2")
    assert published(tmp_path) == before
    assert (tmp_path / "staging" / "report" / "results" / "a").read_text() == "2"


@pytest.mark.parametrize("name", ["../mine", "/etc/mine", "results/../../mine", "link/mine"])
def test_a_record_that_names_files_elsewhere_removes_none(tmp_path, name):
    output, mine = tmp_path / "out", tmp_path / "mine"
    release(output, 1, a="1")
    mine.write_text("mine")
    (output / "link").symlink_to(tmp_path)
    record = (output / "run.json").read_text().replace("results/a", name)
    (output / "run.json").write_text(record)
    with pytest.raises(Failure, match="lists a file elsewhere"):
        release(output, 2, b="2")
    assert mine.read_text() == "mine"


def test_the_reference_run_publishes_figures_at_the_top(tmp_path):
    places = [
        publish.moves(stage(tmp_path / name), output)["report/figures/f.svg"]
        for name, output in {"a": paths.REFERENCE, "b": paths.REFERENCE / "latest"}.items()
    ]
    assert places == ["../figures/f.svg", "figures/f.svg"]


def test_a_second_run_on_the_same_folder_is_refused(tmp_path):
    refused = pytest.raises(Refusal, match="another run is writing")
    with publish.staging(tmp_path), refused, publish.staging(tmp_path):
        pass


def publish_and_die(output: Path, last: int, again: bool = True) -> int:
    """Publish once more in a process that is killed before the step of this number: its status.

    Every rename, replacement and removal, of files and of the staging folder, counts as one.
    again: or only recover, as the next start does.
    """
    child = os.fork()
    if child:
        return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    steps = itertools.count(1)

    def counted(function):
        def step(*given, **options):
            if next(steps) == last:
                os.kill(os.getpid(), signal.SIGKILL)
            return function(*given, **options)

        return step

    try:
        names = ("rename", "replace", "unlink", "remove", "rmdir", "link", "symlink")
        steps_of = {name: counted(getattr(os, name)) for name in names}
        if not again:
            vars(os).update(steps_of)
        with publish.staging(output) as staged:
            if again:
                stage(staged, both="2", new="2")
                vars(os).update(steps_of)
                publish.publish(staged, output, {"number": 2})
        os._exit(0)
    finally:
        os._exit(1)


def test_a_kill_at_any_step_leaves_the_old_report_or_the_new_one(tmp_path, monkeypatch):
    root = tmp_path / "root"
    output = root / "report"
    monkeypatch.setattr(paths, "ROOT", root)
    monkeypatch.setattr(paths, "REFERENCE", output)
    release(output, 2, both="2", new="2")
    new = published(output, root / "figures")
    seen, recoveries, last, ended = [], [], 0, False
    while not ended:
        last += 1
        subprocess.run(["rm", "-r", str(root)], check=True)
        release(output, 1, old="1", both="1")
        (output / "results" / "mine.csv").write_text("mine")
        old = published(output, root / "figures")
        status = publish_and_die(output, last)
        ended = status == 0
        assert ended or status == -signal.SIGKILL
        between = published(output, root / "figures")
        if last % 5 == 0:  # the next start is killed too, early or late in what it has to do
            recoveries.append(publish_and_die(output, last // 5, again=False))
        with publish.staging(output):
            after = published(output, root / "figures")
        assert after.pop("results/mine.csv") == old.pop("results/mine.csv") == "mine"
        assert after in (old, new)
        seen.append(
            (
                between in (old | {"results/mine.csv": "mine"}, new | {"results/mine.csv": "mine"}),
                after == new,
            )
        )
    assert recoveries.count(-signal.SIGKILL) >= 5
    assert last > 50  # kills: at each of the moves of 46 files, the removals and the journal
    assert [whole for whole, _ in seen].count(False) >= 40  # most fall between the moves
    assert [is_new for _, is_new in seen] == sorted(is_new for _, is_new in seen)
    assert seen[0] == (True, False) and seen[-1] == (True, True)
