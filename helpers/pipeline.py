"""The whole report: every notebook, side by side where they can be, then one document."""

import os
import resource
import sys
import time
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

from helpers import jobs, paths, publish
from helpers.jobs import Job
from helpers.parameters import Parameter, read_parameters, resolve
from helpers.terminal import Failure, Refusal, Terminal, clock, describe

Render = Callable[[Path, Path], Any]  # (executed notebooks, output folder): report.html and report.pdf

# A notebook waits for those whose trained models or stored results it takes; each could also run alone.
NEEDS = {
    "01": ("00",),
    "02": ("00",),
    "04": ("00",),
    "05": ("03",),
    "06": ("03",),
    "07": ("00", "01", "02", "03", "04"),
    "08": ("00", "01", "02", "03", "04", "05", "06", "07"),
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
    return {number: numbers & set(NEEDS.get(number, ())) for number in sorted(numbers)}


def width(waits: dict[str, set[str]]) -> int:
    """The most notebooks that can run side by side when each takes equally long."""
    widest, ended = 0, set()
    while len(ended) < len(waits):
        ready = {number for number, needs in waits.items() if number not in ended and needs <= ended}
        widest, ended = max(widest, len(ready)), ended | ready
    return widest


class Runner:
    """Runs notebooks side by side, each after those that it waits for.

    A notebook that fails stops none of the others: one that waited for it makes what it lacks itself.
    """

    def __init__(self, notebooks: dict[str, Path], workers: int | None, terminal: Terminal):
        self.notebooks, self.terminal = notebooks, terminal
        self.waits = waiting_for(notebooks)
        self.workers = workers or min(cores(), width(self.waits))
        self.threads = max(1, cores() // self.workers)
        self.running: dict[str, Job] = {}
        self.ended: dict[str, Job] = {}
        self.training: dict[str, str] = {}  # what the status line says of a notebook

    def run(self, folder: Path, values: dict[str, dict[str, Any]]) -> list[Job]:
        """Run all notebooks in a staging folder, in any event leaving no process behind.

        values: the parameters of each notebook, by its name.
        """
        try:
            while len(self.ended) < len(self.notebooks):
                self._start(folder, values)
                self._look()
                time.sleep(POLL)
        finally:
            self.terminal.status("")
            jobs.stop(self.running.values())
        return [self.ended[number] for number in self.notebooks]

    def _start(self, folder: Path, values: dict[str, dict[str, Any]]) -> None:
        """Start notebooks that wait for nothing more, while there are workers."""
        for number, source in self.notebooks.items():
            ready = number not in self.running | self.ended and self.waits[number] <= self.ended.keys()
            if ready and len(self.running) < self.workers:
                self.running[number] = Job(source, folder, values[source.stem], self.threads)
                self.terminal.line(f"{source.stem}: started")

    def _look(self) -> None:
        """Report what has happened in the notebooks that run."""
        for number, job in list(self.running.items()):
            finished = job.finished()
            self._report_training(job)
            if finished:
                self.ended[number] = self.running.pop(number)
                self.training.pop(job.name, None)
                how = f"FAILED ({job.failure}) after" if job.failure else "done in"
                self.terminal.line(f"{job.name}: {how} {clock(job.seconds)}")
        self.terminal.status(" | ".join(self.training.get(job.name, job.name) for job in self.running.values()))

    def _report_training(self, job: Job) -> None:
        """On a terminal, epochs move the status line; everything else is a line."""
        for event in job.events.new():
            text = f"{job.name}: {describe(event)}"
            if event["event"] == "epoch" and self.terminal.live:
                self.training[job.name] = text
            else:
                self.training.pop(job.name, None)
                self.terminal.line(text)


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
) -> None:
    """Run all notebooks of a folder and publish the report.

    assignments: "NAME=VALUE", for every notebook with that parameter. Raises Refusal before anything
    starts, and Failure, with nothing published, when a notebook failed.
    """
    runner = Runner(discover(folder), workers, terminal or Terminal())
    values = resolve(known_parameters(folder), assignments, profile)
    output = (output or default_output(profile)).resolve()
    if output / "notebooks" == folder.resolve():
        raise Refusal(f"{output} holds the sources of the notebooks: name another --output")
    with publish.staging(output) as staged:
        began, ended = time.monotonic(), runner.run(staged, values)
        failed = any(job.failure for job in ended)
        if not failed:
            _render(render, staged, runner.terminal)
        run = _record(runner, ended, time.monotonic() - began)
        if not failed:
            publish.publish(staged, output, {"profile": profile, "parameters": list(assignments)} | run)
        _summary(ended, run, runner.terminal)
        if failed:
            raise Failure(_kept(staged))
    runner.terminal.line(f"{output / 'report.html'}\n{output / 'report.pdf'}")


def _render(render: Render, staged: Path, terminal: Terminal) -> None:
    """Render in the staging folder; when that fails, say what is left."""
    terminal.line("all notebooks done, rendering")
    try:
        render(staged / "notebooks", staged)
    except BaseException:  # Ctrl-C too
        terminal.line(_kept(staged))
        raise


def _kept(staged: Path) -> str:
    return f"nothing is published; what ran is in {staged} until the next run"


def _record(runner: Runner, ended: list[Job], seconds: float) -> dict[str, Any]:
    """What run.json says of a run's cost."""
    return {
        "workers": runner.workers,
        "threads": runner.threads,
        "minutes": {job.name: round(job.seconds / 60, 2) for job in ended},
        "total_minutes": round(seconds / 60, 2),
        "peak_memory_gb": round(_peak_memory(), 2),
    }


def _peak_memory() -> float:
    """Resident memory, in GB, of the largest process among those that have ended."""
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss * unit / 1e9


def _summary(ended: list[Job], run: dict, terminal: Terminal) -> None:
    """Minutes and memory, and again what failed and where to look."""
    terminal.line("")
    for job in ended:
        terminal.line(f"{job.name:<22}{job.seconds / 60:7.1f} min{'  FAILED' if job.failure else ''}")
    terminal.line(f"{'total':<22}{run['total_minutes']:7.1f} min, {run['workers']} side by side")
    terminal.line(f"{'peak memory':<22}{run['peak_memory_gb']:7.1f} GB in the largest process\n")
    for job in ended:
        if job.failure:
            terminal.line(f"{job.name}: {job.failure}\n  notebook {job.result}\n  log      {job.log}\n")


def render_again(output: Path, render: Render = default_render) -> None:
    """Render an output folder's report again from its executed notebooks. Raises Refusal when it has none."""
    notebooks = output / "notebooks"
    if not any(notebooks.glob("*.ipynb")) or notebooks == paths.NOTEBOOKS:
        raise Refusal(f"no executed notebooks in {output}: make them first, with python -m helpers report")
    render(notebooks, output)
    print(output / "report.html", output / "report.pdf", sep="\n")
