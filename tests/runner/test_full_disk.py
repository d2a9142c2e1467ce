"""A full disk at any stage of writing loses nothing and gives one line that says where."""

import errno
import os
import resource
import shutil
import subprocess
import sys
from pathlib import Path

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook

from helpers import paths, results
from helpers.__main__ import main
from helpers.errors import Failure
from helpers.evidence import tables
from helpers.progress import Progress
from helpers.runner import pipeline, publish
from helpers.runner.cache import ResultCache

FULL = OSError(errno.ENOSPC, "No space left on device")


class FullDisk:
    """Writes fail from one of them on, half of their text written."""

    def __init__(self, monkeypatch, fails_at):
        self.left = fails_at
        for name in ("write_text", "write_bytes"):
            monkeypatch.setattr(Path, name, self.wrap(getattr(Path, name)))
        monkeypatch.setattr(shutil, "copyfile", self.wrap(shutil.copyfile))
        monkeypatch.setattr(shutil, "copy2", self.wrap(shutil.copy2))

    def wrap(self, write):
        def writes(file, content, *given, **options):
            self.left -= 1
            if self.left < 0:
                if isinstance(content, str | bytes) and write.__name__.startswith("write"):
                    write(file, content[: len(content) // 2], *given, **options)
                raise FULL
            return write(file, content, *given, **options)

        return writes


def files(folder):
    """Every file and its content."""
    return {file: file.read_bytes() for file in folder.rglob("*") if file.is_file()}


@pytest.mark.parametrize("fails_at", range(3))
def test_a_cache_entry_is_whole_or_absent(tmp_path, monkeypatch, fails_at):
    monkeypatch.setenv("HELPERS_CACHE", str(tmp_path / "cache"))
    (tmp_path / "made").mkdir()
    for name in ("x", "y"):
        (tmp_path / "made" / name).write_text(name)
    cache = ResultCache("kept")
    cache.add({"a": "1"}, tmp_path / "made", {})
    before = files(cache.folder)
    with monkeypatch.context() as patch:
        FullDisk(patch, fails_at)
        with pytest.raises(OSError, match="No space left"):
            cache.add({"a": "2"}, tmp_path / "made", {})
    assert files(cache.folder) == before
    assert cache.find({"a": "1"})[0] and not cache.find({"a": "2"})[0]
    assert cache.add({"a": "2"}, tmp_path / "made", {})


def test_a_result_stays_as_it_was(tmp_path, monkeypatch):
    results.write_json(tmp_path / "a.json", {"a": 1})
    FullDisk(monkeypatch, 0)
    with pytest.raises(OSError, match="No space left"):
        results.write_json(tmp_path / "a.json", {"a": 2})
    assert (tmp_path / "a.json").read_text() == '{\n "a": 1\n}\n'


@pytest.mark.parametrize("stage", ["model", "checkpoint.json", "run.json"])
def test_a_model_that_cannot_be_kept_leaves_its_checkpoint(tmp_path, monkeypatch, stage):
    class Model:
        """Stands for a network."""

        def save(self, file):
            Path(file).write_text("weights")

    monkeypatch.setenv("HELPERS_CACHE", str(tmp_path))
    kept = results.ModelFolder("models", "tiny", {"a": 1}, "key", "code")
    monkeypatch.setattr(kept, "read", lambda file: None)
    state = {"model": Model(), "history": {"loss": [1.0]}}
    later = state | {"history": {"loss": [1.0, 0.5]}}
    written = []

    def train(saved, save):
        save(state)
        written.append(files(kept.folder))
        FullDisk(monkeypatch, {"model": 0, "checkpoint.json": 1, "run.json": 1}[stage])
        if stage == "checkpoint.json":
            save(later)
        return later

    refused = "tiny: cannot write to .*epoch is kept: free space"
    with pytest.raises(OSError, match=refused) as failed:
        kept.load_or_train(train, Progress("tiny", 2))
    assert "\n" not in str(failed.value)
    now = files(kept.folder)
    assert now[kept.checkpoint] == written[0][kept.checkpoint]
    named = results.json.loads(now[kept.checkpoint])["file"]
    assert now[kept.folder / named] == b"weights"


def row(seed):
    """A row of a table."""
    config = results.provenance.TrainingConfig(seed=seed)
    about = dict.fromkeys(tables.PROVENANCE, "x") | {"threads": 1}
    return {"model": "baseline", "val_loss": 1.0} | config.as_dict() | about


def test_a_table_stays_as_it_was(tmp_path, monkeypatch):
    file = tmp_path / "t.csv"
    tables.merge(file, [row(0)], trial=True)
    before = file.read_bytes()
    real = tables.pd.DataFrame.to_csv

    def full(frame, target=None, **options):
        if target is None:
            return real(frame, target, **options)
        Path(target).write_text("half")
        raise FULL

    monkeypatch.setattr(tables.pd.DataFrame, "to_csv", full)
    with pytest.raises(OSError, match="No space left"):
        tables.merge(file, [row(1)], trial=True)
    assert file.read_bytes() == before
    monkeypatch.undo()
    assert len(tables.merge(file, [row(1)], trial=True)) == 2


@pytest.mark.parametrize("fails_at", range(2))
def test_a_report_stays_as_it_was(tmp_path, monkeypatch, fails_at):
    def release(text):
        with publish.staging(tmp_path / "out") as staged:
            (staged / "report").mkdir(exist_ok=True)
            for name in ("report.html", "report.pdf"):
                (staged / "report" / name).write_text(text)
            if text == "2":
                FullDisk(monkeypatch, fails_at)
            publish.publish(staged, tmp_path / "out", {"number": text})

    release("1")
    with pytest.raises(OSError, match="No space left"):
        release("2")
    monkeypatch.undo()
    assert (tmp_path / "out" / "report.html").read_text() == "1"
    assert publish.record(tmp_path / "out")["number"] == "1"
    release("3")
    assert (tmp_path / "out" / "report.html").read_text() == "3"
    assert not (tmp_path / "out" / "staging").exists()


ONE = """
from helpers import display, plots, results
display.start()
fig, ax = plots.figure()
ax.plot(range(20_000))
results.save_result("one", {"values": list(range(10_000))})"""
LIMITS = {"the executed notebook": 12_000, "a result": 60_000, "the documents": 120_000}


@pytest.mark.parametrize("stage", LIMITS)
def test_a_report_whose_files_find_no_room_keeps_the_old_one(tmp_path, stage):
    """RLIMIT_FSIZE, for the runner and its kernels: the system itself refuses to write more."""
    caption = "#| label: fig-one\n#| fig-cap: A line.\n#| fig-alt: It rises.\nfig"
    code = ["from IPython.display import HTML\nHTML('x' * 20_000)", ONE, caption]
    cells = [new_markdown_cell("# One"), *map(new_code_cell, code)]
    (tmp_path / "mine").mkdir()
    kernel = {"kernelspec": {"name": "python3", "display_name": "Python", "language": "python"}}
    book = new_notebook(cells=cells, metadata=kernel)
    nbformat.write(book, tmp_path / "mine" / "00_one.ipynb")
    out, limit = tmp_path / "out", LIMITS[stage]
    out.mkdir()
    (out / "report.html").write_text("old")
    done = subprocess.run(
        [sys.executable, "-m", "helpers", "report", "--notebooks", str(tmp_path / "mine"),
         "--output", str(out)],
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit)),
        cwd=paths.ROOT, env=os.environ | {"HELPERS_CACHE": str(tmp_path / "cache")},
        capture_output=True, text=True,
    )  # fmt: skip
    assert done.returncode == Failure.status and "Traceback" not in done.stderr
    assert "File too large" in done.stdout + done.stderr, done.stdout + done.stderr
    assert (out / "report.html").read_text() == "old"


def test_the_command_says_it_in_one_line(tmp_path, monkeypatch, capsys):
    def full(*given, **options):
        raise OSError(errno.ENOSPC, "No space left on device", "out/staging/report.pdf")

    monkeypatch.setattr(pipeline, "make_report", full)
    assert main(["report", "--output", str(tmp_path / "out")]) == Failure.status
    said = capsys.readouterr().err
    assert said == "error: [Errno 28] No space left on device: 'out/staging/report.pdf'\n"


def test_a_real_limit_of_the_files_size_loses_nothing(tmp_path):
    """RLIMIT_FSIZE: the system itself refuses, in a process of its own."""
    results.write_json(tmp_path / "a.json", {"a": 1})
    code = (
        "import pathlib, signal, sys; signal.signal(signal.SIGXFSZ, signal.SIG_IGN); "
        "from helpers import results; "
        "results.write_json(pathlib.Path(sys.argv[1]), {'a': 'x' * 100_000})"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path / "a.json")], cwd=paths.ROOT,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (1_000, 1_000)),
        capture_output=True, text=True,
    )  # fmt: skip
    assert done.returncode and "File too large" in done.stderr
    assert (tmp_path / "a.json").read_text() == '{\n "a": 1\n}\n'
