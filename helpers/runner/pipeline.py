"""The whole report: every notebook, side by side where they can be, then one document."""

import os
import shutil
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from helpers import paths
from helpers.runner import jobs, publish
from helpers.provenance import changes, digest, notebook_parts, rendering_parts
from helpers.runner.jobs import Job
from helpers.runner.parameters import Parameter, read_parameters, resolve
from helpers.runner.store import Entry, Shelf
from helpers.errors import Failure, Refusal
from helpers.runner.terminal import Terminal, clock, describe

Render = Callable[[Path, Path], Any]  # (executed notebooks, output folder): report.html and report.pdf

# A notebook is given the stored results of those that it needs, and runs again when they change.
NEEDS = {"08": ("00", "01", "02", "03", "04", "07")}
# It waits for those that train a model which it takes too, so that no two wait for one training.
AFTER = {
    "01": ("00",),
    "02": ("00",),
    "04": ("00",),
    "05": ("00", "03"),
    "06": ("03",),
    "07": ("00", "01", "02", "03", "04"),
}
POLL = 0.2  # seconds between two looks at the notebooks


def cores() -> int:
    """Processor cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def discover(folder: Path) -> dict[str, Path]:
    """The notebooks of a folder, by the two digits that their names start with.

    Raises Refusal when there are none, or when two share a number.
    """
    found: dict[str, Path] = {}
    for file in sorted(folder.glob("[0-9][0-9]_*.ipynb")):
        if file.name[:2] in found:
            raise Refusal(f"{found[file.name[:2]].name} and {file.name} share a number: move one away")
        found[file.name[:2]] = file
    if not found:
        raise Refusal(f"no notebooks in {folder}")
    return found


def known_parameters(folder: Path = paths.NOTEBOOKS) -> dict[str, dict[str, Parameter]]:
    """The parameters of each notebook of a folder: {notebook: {name: Parameter}}."""
    return {file.stem: read_parameters(file) for file in discover(folder).values()}


def waiting_for(numbers: Iterable[str]) -> dict[str, set[str]]:
    """For each notebook's number, those among the numbers that end before it starts."""
    numbers = set(numbers)
    return {number: numbers & {*NEEDS.get(number, ()), *AFTER.get(number, ())} for number in sorted(numbers)}


def width(waits: dict[str, set[str]]) -> int:
    """The most notebooks that can run side by side when each takes equally long."""
    widest, ended = 0, set()
    while len(ended) < len(waits):
        ready = {number for number, needs in waits.items() if number not in ended and needs <= ended}
        widest, ended = max(widest, len(ready)), ended | ready
    return widest


@dataclass(frozen=True)
class End:
    """How a notebook ended: with an entry in the cache unless it failed, with a job unless nothing was run."""

    name: str
    entry: Entry | None = None
    job: Job | None = None

    @property
    def cost(self) -> dict[str, float]:
        """Seconds, and GB of memory, of the run that made the entry, or of the one that failed."""
        return self.entry.cost if self.entry else self.job.cost if self.job else {"seconds": 0.0, "memory_gb": 0.0}

    @property
    def remark(self) -> str:
        """What the summary says beside the cost."""
        if self.entry:
            return "" if self.job else "kept"
        return "FAILED" if self.job else "NOT RUN"


class Runner:
    """Runs notebooks side by side, each after those that it waits for, unless the cache has what it would make.

    A notebook that fails stops none of the others but those that need its results.
    root: where the code and the data of the notebooks are.
    """

    def __init__(self, notebooks: dict[str, Path], workers: int | None, terminal: Terminal, root: Path):
        self.notebooks, self.terminal, self.root = notebooks, terminal, root
        self.waits = waiting_for(notebooks)
        self.workers = workers or min(cores(), width(self.waits))
        self.threads = max(1, cores() // self.workers)
        self.running: dict[str, Job] = {}
        self.parts: dict[str, Callable[[], dict[str, str]]] = {}  # what each is made from, as it is now
        self.ended: dict[str, End] = {}
        self.training: dict[str, str] = {}  # what the status line says of a notebook

    def run(self, folder: Path, values: dict[str, dict[str, Any]]) -> list[End]:
        """Run what has to run in a staging folder, in any event leaving no process behind.

        values: the parameters of each notebook, by its name.
        """
        try:
            while len(self.ended) < len(self.notebooks):
                self._start(folder, values)
                self._look()
                if self.running:
                    time.sleep(POLL)
        finally:
            self.terminal.status("")
            jobs.stop(self.running.values())
        return [self.ended[number] for number in self.notebooks]

    def _start(self, folder: Path, values: dict[str, dict[str, Any]]) -> None:
        """Begin with notebooks that wait for nothing more, while there are workers."""
        for number, source in self.notebooks.items():
            ready = number not in self.running | self.ended and self.waits[number] <= self.ended.keys()
            if ready and len(self.running) < self.workers:
                self._begin(number, folder / source.stem, values[source.stem])

    def _begin(self, number: str, folder: Path, values: dict[str, Any]) -> None:
        """Take a notebook from the cache, else run it in a folder of its own; say which and why."""
        source = self.notebooks[number]
        needed = [self.ended[one] for one in NEEDS.get(number, ()) if one in self.ended]
        lacking = [end.name for end in needed if not end.entry]
        if lacking:
            self.ended[number] = End(source.stem)
            self.terminal.line(f"{source.stem}: not run, since it needs {', '.join(lacking)}")
            return
        entries = [end.entry for end in needed]
        results = {name: found for entry in entries for name, found in entry.under("results").items()}
        self.parts[number] = partial(notebook_parts, source, values, results, self.root)
        parts = self.parts[number]()
        entry, why = _shelf(source).find(parts)
        self.terminal.line(f"{source.stem}: {'unchanged, kept' if entry else f'runs ({why})'}")
        if entry:
            self.ended[number] = End(source.stem, entry)
        else:
            self.running[number] = Job(source, folder, values, entries, parts, self.threads)

    def _look(self) -> None:
        """Report what has happened in the notebooks that run."""
        for number, job in list(self.running.items()):
            finished = job.finished()
            self._report_training(job)
            if finished:
                self.ended[number] = self._end(number, self.running.pop(number))
        self.terminal.status(" | ".join(self.training.get(job.name, job.name) for job in self.running.values()))

    def _end(self, number: str, job: Job) -> End:
        """Keep what a notebook has made, unless it failed."""
        self.training.pop(job.name, None)
        how = f"FAILED ({job.failure}) after" if job.failure else "done in"
        self.terminal.line(f"{job.name}: {how} {clock(job.cost['seconds'])}")
        if job.failure:
            return End(job.name, job=job)
        parts = self.parts[number]()
        if parts != job.parts:
            self.terminal.line(f"{job.name}: {changes(parts, job.parts)} while it ran; the next run repeats it")
            parts = job.parts | {"something, while it ran,": digest(parts)}
        return End(job.name, _shelf(self.notebooks[number]).add(parts, job.products(), job.cost), job)

    def _report_training(self, job: Job) -> None:
        """On a terminal, epochs move the status line; everything else is a line."""
        for event in job.events.new():
            text = f"{job.name}: {describe(event)}"
            if event["event"] == "epoch" and self.terminal.live:
                self.training[job.name] = text
            else:
                self.training.pop(job.name, None)
                self.terminal.line(text)


def _shelf(notebook: Path) -> Shelf:
    """What is kept of a notebook's runs."""
    return Shelf(paths.cache() / "notebooks" / notebook.stem)


def default_output(profile: str) -> Path:
    """Where a profile's report goes: report/ for the reference, a folder of its own for the others."""
    return paths.REFERENCE if profile == "report" else paths.REFERENCE / profile


def default_render(notebooks: Path, output: Path) -> None:
    """Make report.html and report.pdf in `output` from executed notebooks.

    Raises Failure, naming notebook and cell, when they cannot become a report.
    """
    from helpers.report import render  # the slowest import here
    from helpers.report.errors import ReportError

    try:
        render(notebooks, output)
    except ReportError as error:
        raise Failure(str(error)) from error


def make_report(
    profile: str = "report",
    output: Path | None = None,
    workers: int | None = None,
    assignments: Sequence[str] = (),
    *,
    folder: Path = paths.NOTEBOOKS,
    render: Render = default_render,
    terminal: Terminal | None = None,
    root: Path = paths.ROOT,
) -> None:
    """Run those notebooks of a folder that have to run, and publish the report unless nothing changed.

    assignments: "NAME=VALUE", for every notebook with that parameter; root: where the code and its data are.
    Raises Refusal before anything starts, and Failure, with nothing published, when a notebook failed.
    """
    runner = Runner(discover(folder), workers, terminal or Terminal(), root)
    values = resolve(known_parameters(folder), assignments, profile)
    output = (output or default_output(profile)).resolve()
    if output / "notebooks" == folder.resolve():
        raise Refusal(f"{output} holds the sources of the notebooks: name another --output")
    with publish.staging(output) as staged:
        began, ended = time.monotonic(), runner.run(staged, values)
        if not all(end.entry for end in ended):
            _summary(ended, _record(runner, ended, time.monotonic() - began), runner.terminal)
            raise Failure(_left(staged))
        _fill(staged, [end.entry for end in ended], render, runner)
        run = {"profile": profile, "parameters": list(assignments)}
        if publish.is_published(staged, output, run):
            runner.terminal.line("nothing changed")
        else:
            run |= _record(runner, ended, time.monotonic() - began)
            publish.publish(staged, output, run)
            _summary(ended, run, runner.terminal)
        shutil.rmtree(staged)
    runner.terminal.line(f"{output / 'report.html'}\n{output / 'report.pdf'}")


def _fill(staged: Path, entries: list[Entry], render: Render, runner: Runner) -> None:
    """Put what the notebooks have made into the staging folder, and the documents: rendered, or from the cache."""
    for entry in entries:
        entry.copy_to(staged)
    notebooks = {name: found for entry in entries for name, found in entry.under("notebooks").items()}
    parts, shelf = rendering_parts(notebooks, runner.root), Shelf(paths.cache() / "documents")
    documents, why = shelf.find(parts)
    if documents:
        documents.copy_to(staged)
        return
    runner.terminal.line(f"all notebooks done, rendering ({why})")
    _render(render, staged, runner.terminal)
    shelf.add(parts, {name: staged / name for name in publish.DOCUMENTS}, {})


def _render(render: Render, staged: Path, terminal: Terminal) -> None:
    """Render in the staging folder; when that fails, say what is left."""
    try:
        render(staged / "notebooks", staged)
    except BaseException:  # Ctrl-C too
        terminal.line(_left(staged))
        raise


def _left(staged: Path) -> str:
    return f"nothing is published; what ran is in {staged} until the next run, which runs only what is missing"


def _record(runner: Runner, ended: list[End], seconds: float) -> dict[str, Any]:
    """What run.json says of the cost: of each notebook by the run that made it, of this run, the largest process."""
    return {
        "workers": runner.workers,
        "threads": runner.threads,
        "minutes": {end.name: round(end.cost["seconds"] / 60, 2) for end in ended},
        "total_minutes": round(seconds / 60, 2),
        "peak_memory_gb": round(max(end.cost["memory_gb"] for end in ended), 2),
        "kept": [end.name for end in ended if end.entry and not end.job],
    }


def _summary(ended: list[End], run: dict, terminal: Terminal) -> None:
    """Minutes and memory, and again what failed and where to look."""
    terminal.line("")
    for end in ended:
        terminal.line(f"{end.name:<22}{end.cost['seconds'] / 60:7.1f} min  {end.remark}".rstrip())
    terminal.line(f"{'total':<22}{run['total_minutes']:7.1f} min, {run['workers']} side by side")
    terminal.line(f"{'peak memory':<22}{run['peak_memory_gb']:7.1f} GB in the largest process\n")
    for job in (end.job for end in ended if end.job and not end.entry):
        terminal.line(f"{job.name}: {job.failure}\n  notebook {job.result}\n  log      {job.log}\n")


def render_again(output: Path, render: Render = default_render) -> None:
    """Render an output folder's report again from its executed notebooks. Raises Refusal when it has none."""
    notebooks = output / "notebooks"
    if not any(notebooks.glob("*.ipynb")) or notebooks == paths.NOTEBOOKS:
        raise Refusal(f"no executed notebooks in {output}: make them first, with python -m helpers report")
    render(notebooks, output)
    print(output / "report.html", output / "report.pdf", sep="\n")
