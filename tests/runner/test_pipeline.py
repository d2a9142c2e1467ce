"""The runner: tiny notebooks through real papermill, in folders of their own."""

import io
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from contextlib import redirect_stdout
from pathlib import Path

import nbformat
import psutil
import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook
from processes import listening

from helpers import paths, provenance
from helpers.__main__ import main
from helpers.errors import Failure, Refusal
from helpers.runner import pipeline
from helpers.runner.terminal import Events, Terminal

CODE = paths.ROOT  # of the package that is tested
PARAMETERS = """profile = 'report'  # protocol
seed = 0  # seed
rate: float = 1.0  # a number
names = ['a']  # names"""

# Leaves a result with what the notebook saw, and when it began and ended.
RECORD = """
import json, os, time
from pathlib import Path
out, began = Path(os.environ["HELPERS_OUTPUT"]), time.time()
def leave(name):
    seen = {"began": began, "ended": time.time(), "profile": profile, "seed": seed, "rate": rate,
            "names": names, "folder": os.getcwd(), "threads": os.environ["HELPERS_THREADS"],
            "omp": os.environ["OMP_NUM_THREADS"]}
    (out / "results" / f"{name}.json").write_text(json.dumps(seen))
"""

# Waits until both notebooks are there: passes only when they run at the same time.
MEET = """
(out / "figures" / "HERE").touch()
while not list(out.parents[1].glob("*/made/figures/THERE")):
    assert time.time() < began + 60, "nobody else runs"
    time.sleep(0.05)
"""

TRAIN = """
large = b"x" * 300_000_000
with open(os.environ["HELPERS_PROGRESS"], "a") as file:
    for event in [{"event": "start", "epoch": 0},
                  {"event": "epoch", "epoch": 1, "loss": 150.126, "seconds_left": 65},
                  {"event": "done", "epoch": 2, "loss": 149.0, "seconds_left": 0}]:
        file.write(json.dumps({"model": "tiny", "epochs": 2} | event) + "\\n")
"""


def write_notebook(
    folder: Path, name: str, *sources: str, parameters: str = PARAMETERS, **report
) -> None:
    """A notebook with a title, the parameters cell and one code cell for each source.

    report: what its metadata says of its place and its needs.
    """
    cells = [
        new_markdown_cell(f"# {name}"),
        new_code_cell(parameters, metadata={"tags": ["parameters"]}),
    ]
    kernel = {"kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"}}
    folder.mkdir(exist_ok=True)
    cells += [new_code_cell(source) for source in sources]
    metadata = kernel | {"report": report}
    nbformat.write(new_notebook(cells=cells, metadata=metadata), folder / f"{name}.ipynb")


@pytest.fixture(scope="module", autouse=True)
def _no_real_rendering():
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(pipeline, "render", render)
        yield


def render(notebooks: Path, output: Path, links: str, formats: Sequence[str]) -> None:
    """Stands for the real rendering: the documents name the notebooks."""
    names = " ".join(sorted(file.stem for file in notebooks.glob("*.ipynb")))
    output.mkdir(exist_ok=True)
    for name in formats:
        (output / f"report.{name}").write_text(names)


def make_report(output: Path, folder: Path, *assignments: str) -> tuple[str, BaseException | None]:
    """Make a report of a folder's notebooks: what the terminal shows, and how it failed."""
    text = io.StringIO()
    with redirect_stdout(text):
        try:
            pipeline.make_report("smoke", output, 2, assignments, folder)
        except (Failure, OSError) as error:
            return text.getvalue(), error
    return text.getvalue(), None


def published(output: Path) -> dict[str, bytes]:
    """Every published file and its content."""
    files = [
        file for file in output.rglob("*") if file.is_file() and not file.name.startswith("staging")
    ]
    return {
        str(f.relative_to(output)): f.read_bytes()
        for f in files
        if output / "staging" not in f.parents
    }


@pytest.fixture(scope="module")
def good(tmp_path_factory):
    """A run where all goes well, from another folder: 00 and 03 must meet, 01 needs 00."""
    folder = tmp_path_factory.mktemp("good")
    sources, output = folder / "notebooks here", folder / "output"
    write_notebook(
        sources,
        "00_a",
        RECORD,
        MEET.replace("THERE", "c").replace("HERE", "a") + TRAIN,
        "leave('a')",
    )
    write_notebook(sources, "01_b", RECORD, "leave('b')", after=["00_a"])
    write_notebook(
        sources, "03_c", RECORD, MEET.replace("THERE", "a").replace("HERE", "c"), "leave('c')"
    )
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        given = ["seed=7", "rate=1e-5", "names=('x', 'ÿ: 1')"]
        text, error = make_report(Path("output"), sources, *given)
    assert error is None
    return output, text


def seen(output: Path, name: str) -> dict:
    return json.loads((output / "results" / f"{name}.json").read_text())


def test_order_and_parallelism(good):
    a, b, c = (seen(good[0], name) for name in "abc")
    assert max(a["began"], c["began"]) < min(a["ended"], c["ended"])
    assert b["began"] > a["ended"]


def test_notebooks_get_parameters_threads_and_a_folder(good):
    a = seen(good[0], "a")
    assert (a["profile"], a["seed"], a["rate"], a["names"]) == ("smoke", 7, 1e-5, ["x", "ÿ: 1"])
    assert a["threads"] == a["omp"] == str(max(1, pipeline.CPU_COUNT // 2))
    assert Path(a["folder"]) == good[0] / "staging" / "00_a"


def test_everything_is_published_and_staging_gone(good):
    output = good[0]
    assert (
        (output / "report.html").read_text()
        == (output / "report.pdf").read_text()
        == "00_a 01_b 03_c"
    )
    assert sorted(published(output)) == sorted(
        json.loads((output / "run.json").read_text())["files"]
    )
    assert {"figures/a", "results/b.json", "notebooks/03_c.ipynb", "run.json"} <= published(
        output
    ).keys()
    assert not (output / "staging").exists()


def test_executed_notebooks_name_no_folder_in_their_metadata(good):
    for file in (good[0] / "notebooks").iterdir():
        assert str(good[0].parent) not in json.dumps(nbformat.read(file, as_version=4).metadata)


def test_terminal_shows_training_and_a_summary(good):
    output, text = good
    for line in (
        "00_a: runs (for the first time)",
        "00_a: tiny: training for 2 epochs",
        "00_a: tiny: epoch 1/2, loss 150.13, 1 min 05 s left",
        "00_a: tiny: epoch 2/2, loss 149.00, trained",
        "01_b: done in ",
        "\ntotal ",
        "\npeak memory ",
        f"\n{output / 'report.html'}\n{output / 'report.pdf'}\n",
    ):
        assert line in text
    assert text.index("00_a: done") < text.index("01_b: runs")
    run = json.loads((output / "run.json").read_text())
    assert run["peak_memory_gb"] > 0.3 and run["rendering_minutes"] == 0
    assert run["minutes"].keys() == {"00_a", "01_b", "03_c"}


def test_a_run_says_when_where_and_by_which_code_it_was_made(good):
    run = json.loads((good[0] / "run.json").read_text())
    now = provenance.about(measuring=True) | {"threads": run["threads"]}
    assert {**run["provenance"], "date": now["date"]} == now
    assert run["provenance"]["date"] <= now["date"] and now["measuring_code"]


def test_failures_are_named_and_the_last_report_stays(good, tmp_path):
    output = good[0]
    before = published(output)
    write_notebook(tmp_path / "n", "00_raises", "x = 1", "# divides\n1/0", "x = 2")
    write_notebook(tmp_path / "n", "01_killed", "import os", "os.kill(os.getpid(), 9)", "x = 2")
    write_notebook(tmp_path / "n", "03_fine", RECORD, "leave('fine')")
    text, error = make_report(output, tmp_path / "n")
    assert "nothing is published" in str(error) and error.status == 1
    assert "00_raises: cell 4 (# divides): ZeroDivisionError: division by zero" in text
    assert "01_killed: cell 4 (os.kill(os.getpid(), 9)): its kernel died" in text
    assert "03_fine: done" in text
    assert published(output) == before
    assert f"notebook {output / 'staging/00_raises/made/notebooks/00_raises.ipynb'}" in text
    assert "ZeroDivisionError" in (output / "staging" / "00_raises" / "log.txt").read_text()


def test_a_failed_rendering_keeps_the_last_report(tmp_path, monkeypatch):
    def fail(*given):
        render(*given)
        raise OSError("disk full")

    write_notebook(tmp_path / "n", "00_a")
    output = tmp_path / "out"
    output.mkdir()
    (output / "report.html").write_text("before")
    monkeypatch.setattr(pipeline.Runner, "run", lambda self, folder, values: None)
    monkeypatch.setattr(pipeline, "render", fail)
    text, error = make_report(output, tmp_path / "n")
    assert str(error) == "disk full"
    assert published(output) == {"report.html": b"before"}
    assert f"what ran is in {output / 'staging'}" in text


def test_an_output_that_cannot_be_a_folder_is_named(tmp_path, capsys):
    (tmp_path / "file").write_text("mine")
    assert main(["report", "--output", str(tmp_path / "file")]) == 2
    assert str(tmp_path / "file") in capsys.readouterr().err
    assert (tmp_path / "file").read_text() == "mine"


@pytest.mark.parametrize("wrong", ["sede=1", "seed=1.5", "seed"])
def test_wrong_parameters_are_refused_before_anything_starts(tmp_path, wrong):
    write_notebook(tmp_path / "n", "00_a", "1/0")
    _, error = make_report(tmp_path / "out", tmp_path / "n", wrong)
    assert isinstance(error, Refusal) and "seed" in str(error)
    assert not (tmp_path / "out").exists()


def test_odd_folders_are_refused(tmp_path):
    def refused(match, output, folder):
        _, error = make_report(output, folder)
        assert isinstance(error, Refusal) and match in str(error)

    refused("no notebooks in", tmp_path / "out", tmp_path)
    write_notebook(tmp_path / "notebooks", "00_a")
    refused("holds the sources", tmp_path, tmp_path / "notebooks")
    write_notebook(tmp_path / "notebooks", "00_a-Copy1")
    both = "00_a-Copy1.ipynb and 00_a.ipynb share place 0"
    refused(both, tmp_path / "out", tmp_path / "notebooks")


def test_place_and_needs_come_from_the_notebook_itself(tmp_path):
    write_notebook(tmp_path, "00_last", order=9, needs=["02_first"], after=["01_middle", "absent"])
    write_notebook(tmp_path, "01_middle")
    write_notebook(tmp_path, "02_first", order=0.5)
    write_notebook(tmp_path, "scratch")
    found = pipeline.discover(tmp_path)
    assert list(found) == ["02_first", "01_middle", "00_last"]
    assert pipeline.ready(found, list(found)) == ["02_first", "01_middle"]
    assert pipeline.ready(found, ["00_last"]) == ["00_last"]
    assert pipeline.width(found) == 2
    write_notebook(tmp_path, "02_first", order=0.5, after=["00_last"])
    with pytest.raises(Refusal, match="wait for each other: "):
        pipeline.discover(tmp_path)
    write_notebook(tmp_path, "02_first", order="soon")
    with pytest.raises(Refusal, match="02_first.ipynb: its report metadata"):
        pipeline.discover(tmp_path)


def test_what_is_needed_and_not_there_is_named(tmp_path):
    write_notebook(tmp_path, "00_a", needs=["01_b", "02_gone"])
    write_notebook(tmp_path, "01_b")
    assert pipeline.lacking(pipeline.discover(tmp_path)) == ["00_a needs the results of 02_gone"]


def test_a_run_goes_to_a_folder_that_git_ignores_unless_it_is_the_reference(monkeypatch):
    went = []
    monkeypatch.setattr(
        pipeline, "make_report", lambda profile, output, *_, **__: went.append(output)
    )
    monkeypatch.setattr(provenance, "_commit", lambda: "0123456789")
    for options in ([], ["--profile", "smoke"], ["--reference"], ["--output", "mine"]):
        assert main(["report", *options]) == 0
    report = paths.REFERENCE
    assert went == [report / "latest", report / "smoke", report, Path("mine").resolve()]
    assert main(["report", "--reference", "--profile", "smoke"]) == 2
    assert main(["report", "--reference", "-p", "seed=1"]) == 2
    assert main(["report", "--output", str(report)]) == 2
    assert main(["report", "--reference", "--output", "mine"]) == 2
    assert len(went) == 4


@pytest.mark.parametrize("commit", ["0123456789+", "unknown"])
def test_a_reference_run_is_of_committed_code(monkeypatch, capsys, commit):
    def never(*_, **__):
        raise AssertionError("it runs")

    monkeypatch.setattr(pipeline, "make_report", never)
    monkeypatch.setattr(provenance, "_commit", lambda: commit)
    assert main(["report", "--reference"]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert "which code made this reference run: commit them (git add --all; git commit), or" in line
    assert line.endswith("leave out --reference") and "--trial" not in line


def test_parameters_are_given_in_both_ways(monkeypatch):
    given = []
    monkeypatch.setattr(pipeline, "make_report", lambda *words, **_: given.extend(words[3]))
    words = ["a=1", "b 2", "c=3 d=x=y", "e =f", "g"]
    assert main(["report", *(part for word in words for part in ("-p", *word.split()))]) == 0
    assert given == ["a=1", "b=2", "c=3", "d=x=y", "e==f", "g"]


def run_cli(*arguments: str, **options) -> subprocess.CompletedProcess:
    """The command line as a person runs it."""
    environment = os.environ | {"PYTHONPATH": str(paths.ROOT)}
    command = [sys.executable, "-m", "helpers", *arguments]
    return subprocess.run(
        command, env=environment, capture_output=True, text=True, timeout=60, **options
    )


def test_command_line_refuses_with_status_2(tmp_path):
    refused = run_cli("report", "-p", "sede=1", "--output", str(tmp_path / "out"), cwd=tmp_path)
    assert refused.returncode == 2
    assert (
        refused.stderr
        == "error: -p sede=1: no notebook has a parameter sede; did you mean 'seed'?\n"
    )
    assert run_cli("report", "-p", "sede", "1").stderr == refused.stderr
    assert run_cli("report", "--jobs", "0").returncode == 2
    assert "report" in run_cli("--help").stdout


def test_a_reader_who_has_enough_sees_no_traceback():
    command = f"{sys.executable} -m helpers parameters | head -n 1"
    done = subprocess.run(["bash", "-c", command], cwd=paths.ROOT, capture_output=True, text=True)
    assert done.stderr == "" and len(done.stdout.splitlines()) == 1


def test_render_needs_executed_notebooks(tmp_path):
    refused = run_cli("render", "--output", str(tmp_path), cwd=tmp_path)
    assert refused.returncode == 2
    assert refused.stderr.startswith(
        f"error: no executed notebooks in {tmp_path}: make them first, with "
    )


def test_render_again_replaces_the_documents(tmp_path, capsys):
    write_notebook(tmp_path / "notebooks", "00_a", " ")
    pipeline.render_again(tmp_path)
    assert (tmp_path / "report.html").read_text() == "00_a"
    assert capsys.readouterr().out == f"{tmp_path / 'report.html'}\n{tmp_path / 'report.pdf'}\n"
    assert sorted(published(tmp_path)) == ["notebooks/00_a.ipynb", "report.html", "report.pdf"]


def test_one_document_alone(tmp_path, monkeypatch, capsys):
    """The other one, of a run before, goes: it would be of another run."""
    monkeypatch.setenv("HELPERS_CACHE", str(tmp_path / "cache"))
    write_notebook(tmp_path / "n", "00_a")
    output = tmp_path / "out"
    command = ["report", "--notebooks", str(tmp_path / "n"), "--output", str(output)]
    assert main(command) == 0
    for name in ("pdf", "html"):
        assert main([*command, "--format", name]) == 0
        out, other = capsys.readouterr().out, "html" if name == "pdf" else "pdf"
        assert out.endswith(f"\n{output / f'report.{name}'}\n")
        assert f"{output / f'report.{other}'} is removed: it is not of this run\n" in out
        assert [file.name for file in output.glob("report.*")] == [f"report.{name}"]
        assert main(["render", "--output", str(output), "--format", name]) == 0
        assert capsys.readouterr().out == f"{output / f'report.{name}'}\n"
    assert main(["report", "--reference", "--format", "pdf"]) == 2
    assert capsys.readouterr().err.endswith(": leave out --format\n")


def test_the_reference_run_leads_to_notebooks_that_git_tracks(tmp_path, monkeypatch):
    """The executed ones beside it are in no clone; those of other runs are where the page is."""
    (report := tmp_path / "report").mkdir()
    monkeypatch.setattr(paths, "REFERENCE", report)
    monkeypatch.setattr(paths, "ROOT", tmp_path)
    went = []
    monkeypatch.setattr(pipeline, "render", lambda *given: (went.append(given[2]), render(*given)))
    write_notebook(tmp_path / "notebooks", "00_a")
    monkeypatch.setenv("HELPERS_CACHE", str(tmp_path / "cache"))
    for output in (report, tmp_path / "mine"):
        assert make_report(output, tmp_path / "notebooks")[1] is None
        pipeline.render_again(output)
    project = os.path.relpath(paths.NOTEBOOKS, report)
    assert went == ["../notebooks", project, "notebooks", "notebooks"]
    assert pipeline.linked(paths.NOTEBOOKS.parent / "report") == "notebooks"


def test_links_and_files_of_the_reference_run_are_tracked():
    """Whatever it leads to besides itself is in a clone: its sources, and the PDF."""
    tracked = subprocess.run(["git", "ls-files"], cwd=paths.ROOT, capture_output=True, text=True)
    files = {paths.ROOT / name for name in tracked.stdout.splitlines()}
    page = (paths.REFERENCE / "report.html").read_text()
    record = json.loads((paths.REFERENCE / "run.json").read_text())["files"]
    links, to = {*re.findall(r' href="([^"#:]+)["#]', page)}, pipeline.linked(paths.REFERENCE)
    links |= {f"{to}/{Path(name).name}" for name in record if name.startswith("notebooks/")}
    assert len(links) >= 9
    assert {Path(os.path.normpath(paths.REFERENCE / link)) for link in links} <= files
    kept = {Path(os.path.normpath(paths.REFERENCE / name)) for name in record
            if not name.startswith("notebooks/")}  # fmt: skip
    assert kept <= files


def test_command_line_loads_no_training_library():
    code = (
        "import sys, helpers.__main__; print({'tensorflow', 'keras', 'numpy'} & sys.modules.keys())"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=paths.ROOT, capture_output=True, text=True, check=True
    )
    assert done.stdout == "set()\n"


LONG = """
import os, subprocess, time
child = subprocess.Popen(["sleep", "300"])
with open("pids", "w") as file:
    file.write(f"{os.getpid()} {child.pid}\\n")
time.sleep(300)
"""


def start_report(folder: Path, **options) -> subprocess.Popen:
    """A run of a folder's notebooks, as a person starts it."""
    where = ["--notebooks", str(folder / "n"), "--output", str(folder / "out")]
    environment = os.environ | {"PYTHONPATH": str(paths.ROOT)}
    command = [sys.executable, "-m", "helpers", "report", *where]
    return subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL, **options)


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM])
def test_stopping_the_runner_leaves_no_process(tmp_path, how):
    write_notebook(tmp_path / "n", "00_a", LONG)
    with start_report(tmp_path, stderr=subprocess.PIPE, text=True) as runner:
        pids = wait_for_pids(tmp_path / "out" / "staging" / "00_a" / "pids")
        pids += [process.pid for process in psutil.Process(runner.pid).children(recursive=True)]
        runner.send_signal(how)
        _, said = runner.communicate(timeout=30)
    assert runner.returncode == 130
    assert "the same command goes on from there" in said
    assert alive(pids) == []
    assert published(tmp_path / "out") == {}


def alive(pids: list[int]) -> list[int]:
    """Those processes that have not ended."""
    return [
        pid for pid in pids if psutil.pid_exists(pid) and psutil.Process(pid).status() != "zombie"
    ]


def test_killing_the_runner_leaves_no_process(tmp_path):
    write_notebook(tmp_path / "n", "00_a", LONG)
    with start_report(tmp_path) as runner:
        pids = wait_for_pids(tmp_path / "out" / "staging" / "00_a" / "pids")
        family = psutil.Process(runner.pid).children(recursive=True)
        found = listening(runner)  # its own and its kernel's
        runner.kill()
    assert found == {"127.0.0.1"}
    until = time.monotonic() + 5
    while alive([*pids, *(one.pid for one in family)]):
        assert time.monotonic() < until
        time.sleep(0.1)


def wait_for_pids(file: Path) -> list[int]:
    """The processes that a notebook says it has."""
    until = time.monotonic() + 30
    while not (file.exists() and file.read_text().endswith("\n")):
        assert time.monotonic() < until, "the notebook has not started"
        time.sleep(0.05)
    return [int(pid) for pid in file.read_text().split()]


def event(kind: str, epoch: int) -> str:
    line = {"event": kind, "model": "tiny", "epochs": 2, "epoch": epoch}
    return json.dumps(line | {"loss": 1.5, "seconds_left": 5}) + "\n"


def test_events_wait_for_a_whole_line(tmp_path):
    events = Events(tmp_path / "progress", "00_a: {model}", "00_a")
    assert events.new() == []
    with open(tmp_path / "progress", "w") as file:
        file.write(event("start", 0) + event("epoch", 1)[:9])
        file.flush()
        assert events.new() == [("start", "00_a: tiny: training for 2 epochs")]
        assert events.new() == [] and events.shown == "00_a"
        file.write(event("epoch", 1)[9:])
        file.flush()
    assert events.new() == [("epoch", "00_a: tiny: epoch 1/2, loss 1.50, 5 s left")]
    assert events.shown == "00_a: tiny: epoch 1/2, loss 1.50, 5 s left"


class Screen(io.StringIO):
    def isatty(self):
        return True


def test_a_bar_is_below_the_lines_on_a_terminal_and_absent_elsewhere(tmp_path):
    live, plain = Screen(), io.StringIO()
    for stream in (live, plain):
        terminal, events = Terminal(stream), Events(tmp_path / "events", "tiny")
        (tmp_path / "events").write_text(event("start", 0) + event("epoch", 1))
        terminal.follow([events], "start", 0, 2)
        (tmp_path / "events").write_text(event("start", 0) + event("epoch", 1) + event("epoch", 2))
        terminal.follow([events], "start", 1, 2)
        terminal.close()
    assert plain.getvalue() == "tiny: training for 2 epochs\n"
    drawn = live.getvalue()
    assert "0/2 |" in drawn and "1/2 |" in drawn and drawn.index("epoch 1") < drawn.index("epoch 2")
    assert drawn.count("epochs\n") == 1
    assert drawn.rpartition("\r")[0].endswith(" " * 10)  # the bar is wiped at the end


class Project:
    """Three notebooks with code behind them; 08_claims reads what 00_first stores."""

    SOURCES = {
        "00_first": "leave('00_first')",
        "05_wide": "leave('05_wide')",
        "08_claims": "assert os.listdir(out / 'results') == ['00_first.json']\nleave('08_claims')",
    }
    CODE = ("helpers/errors.py", "helpers/report/report.css", "requirements.txt")

    def __init__(self, folder: Path):
        self.folder, self.root, self.output = folder, folder / "root", folder / "output"
        self.notebooks = self.root / "notebooks"

    def write(self) -> None:
        """The project as it is at first."""
        for name in self.CODE:
            (self.root / name).parent.mkdir(parents=True, exist_ok=True)
            (self.root / name).write_text("1\n")
        for name, source in self.SOURCES.items():
            self.change(name, source)

    def change(self, name: str, *sources: str) -> None:
        """Write a notebook; 05 alone has the parameter width and makes a plot."""
        parameters, report, more = PARAMETERS, {}, ()
        if name == "05_wide":
            parameters, more = f"{PARAMETERS}\nwidth = 1  # width", ("from helpers import errors",)
        if name == "08_claims":
            report = {"needs": ["00_first"]}
        write_notebook(
            self.notebooks, name, RECORD, *more, *sources, parameters=parameters, **report
        )

    def use(self, patch: pytest.MonkeyPatch) -> None:
        """Take this project for the one at hand."""
        patch.setattr(paths, "ROOT", self.root)
        patch.setattr(paths, "REFERENCE", self.root / "report")
        patch.setattr(provenance, "code_parts", self.code_parts)
        patch.setenv("HELPERS_CACHE", str(self.folder / "cache"))
        patch.setenv("PYTHONPATH", str(CODE))

    def code_parts(self, names) -> dict[str, str]:
        """The real one digests the code that is tested."""
        files = [f"helpers/{name.split('.')[1]}.py" for name in names]
        found = [(self.root / file).read_text() for file in files if (self.root / file).exists()]
        return dict(zip(files, found, strict=False))

    def report(self, *assignments: str, output: str = "output") -> str:
        """Make the report; what the terminal shows."""
        self.text, self.error = make_report(self.folder / output, self.notebooks, *assignments)
        return self.text

    def ran(self) -> set[str]:
        """The notebooks that the last report ran."""
        return set(re.findall(r"^(\w+): runs \(", self.text, re.M))


@pytest.fixture(scope="module")
def first_run(tmp_path_factory):
    """A project whose report has been made."""
    project = Project(tmp_path_factory.mktemp("first"))
    project.write()
    with pytest.MonkeyPatch.context() as patch:
        project.use(patch)
        project.report()
    assert project.ran() == set(Project.SOURCES)
    return project


@pytest.fixture
def project(first_run, tmp_path, monkeypatch):
    """A copy of that project, cache and all, to change."""
    shutil.copytree(first_run.folder, tmp_path / "project")
    project = Project(tmp_path / "project")
    project.use(monkeypatch)
    return project


def stamps(output: Path) -> dict[Path, int]:
    """When each file of an output folder was written."""
    return {
        file: file.stat().st_mtime_ns
        for file in output.rglob("*")
        if file.is_file() and file.suffix != ".lock"
    }


def test_nothing_changed_starts_and_touches_nothing(project, monkeypatch):
    monkeypatch.setattr(pipeline, "Job", None)
    before, began = stamps(project.output), time.monotonic()
    text = project.report()
    assert time.monotonic() - began < 5
    assert text.splitlines() == [
        *(f"{name}: unchanged, kept" for name in Project.SOURCES),
        "nothing changed",
        str(project.output / "report.html"),
        str(project.output / "report.pdf"),
    ]
    assert stamps(project.output) == before
    assert not (project.output / "staging").exists()


def test_outputs_and_execution_counts_of_a_source_do_not_count(project):
    file = project.notebooks / "00_first.ipynb"
    notebook = nbformat.read(file, as_version=4)
    notebook.cells[-1] |= {
        "execution_count": 7,
        "outputs": [nbformat.v4.new_output("stream", text="seen")],
    }
    notebook.cells[-1].metadata["execution"] = {"iopub.execute_input": "2020-01-01T00:00:00Z"}
    nbformat.write(notebook, file)
    assert "nothing changed" in project.report()


def test_a_changed_cell_runs_its_notebook_and_what_needs_it(project):
    project.change("00_first", "leave('00_first')", "2")
    text = project.report()
    assert "00_first: runs (its cells changed)" in text
    assert "08_claims: runs (results/00_first.json changed)" in text
    assert "05_wide: unchanged, kept" in text
    run = json.loads((project.output / "run.json").read_text())
    assert run["kept"] == ["05_wide"]
    assert run["minutes"].keys() == Project.SOURCES.keys()
    project.change("08_claims", Project.SOURCES["08_claims"], "2")
    project.report()
    assert project.ran() == {"08_claims"}


def test_a_parameter_runs_the_notebooks_that_have_it_and_changed_back_nothing(project):
    assert "05_wide: runs (its parameters changed)" in project.report("width=2")
    assert project.ran() == {"05_wide"}
    project.report()
    assert project.ran() == set()
    project.report("width=2", output="other")
    assert project.ran() == set()
    assert (project.folder / "other" / "report.html").exists()


def test_code_runs_the_notebooks_that_import_it(project):
    (project.root / "helpers" / "errors.py").write_text("2\n")
    assert "05_wide: runs (helpers/errors.py changed)" in project.report()
    assert project.ran() == {"05_wide"}


def test_a_template_only_renders(project):
    (project.root / "helpers" / "report" / "report.css").write_text("2\n")
    text = project.report()
    assert project.ran() == set()
    assert "rendering (helpers/report/report.css changed)" in text
    assert "nothing changed" in project.report()


def test_what_is_damaged_in_the_cache_is_made_again(project):
    kept = project.folder / "cache" / "notebooks" / "00_first"
    (result,) = kept.glob("*/files/results/00_first.json")
    result.write_text(result.read_text().replace("smoke", "smoky"))
    text = project.report()
    why = "what was kept of it is damaged: results/00_first.json changed"
    assert f"00_first: runs ({why})" in text
    assert "smoky" not in (project.output / "results" / "00_first.json").read_text()
    assert project.ran() == {"00_first", "08_claims"}


def test_what_is_missing_from_the_output_comes_back_from_the_cache(project):
    (project.output / "results" / "05_wide.json").unlink()
    (project.output / "report.html").write_text("mine")
    before = published(project.output)
    project.report()
    assert project.ran() == set()
    assert published(project.output).keys() - before.keys() == {"results/05_wide.json"}
    assert (project.output / "report.html").read_text() == "00_first 05_wide 08_claims"


def test_a_failure_keeps_what_went_well(project):
    project.change("00_first", "leave('00_first')", "2")
    project.change("05_wide", "1/0")
    project.report()
    assert "runs only what is missing" in str(project.error)
    assert project.ran() == set(Project.SOURCES)
    project.change("05_wide", "leave('05_wide')", "1/1")
    project.report()
    assert project.ran() == {"05_wide"}


def test_what_needs_a_failed_notebook_is_not_run(project):
    project.change("00_first", "1/0")
    assert "08_claims: not run, since it needs 00_first" in project.report()
    assert isinstance(project.error, Failure)
    assert project.ran() == {"00_first"}


def test_a_change_while_a_notebook_runs_makes_it_run_again(project):
    edit = f"open({str(project.root / 'helpers' / 'errors.py')!r}, 'w').write('2')"
    project.change("05_wide", "leave('05_wide')", edit)
    assert (
        "05_wide: helpers/errors.py changed while it ran; the next run repeats it"
        in project.report()
    )
    project.report()
    assert "05_wide" in project.ran()
    assert "nothing changed" in project.report()
