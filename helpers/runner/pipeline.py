"""The whole report: every notebook, several at a time where they can be, then one document."""

import os
import resource
import shutil
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import pairwise
from pathlib import Path
from typing import Any

from helpers import paths
from helpers.errors import Failure, Refusal
from helpers.progress import clock, describe
from helpers.provenance import digest
from helpers.runner import jobs, publish
from helpers.runner.cache import Entry, ResultCache, changes, notebook_parts, rendering_parts
from helpers.runner.jobs import Job
from helpers.runner.parameters import Parameter, read_notebook, read_parameters, resolve
from helpers.runner.terminal import Terminal

Render = Callable[[Path, Path], Any]  # (executed notebooks, folder): report.html and report.pdf

POLL = 0.2  # seconds between two looks at the notebooks


def cores() -> int:
    """Processor cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


@dataclass(frozen=True)
class Source:
    """A notebook of the report, with its place and its needs as its metadata states them.

    needs: names of notebooks whose stored results it reads; after: of those that train a model
    which it takes too, so that no two wait for one training.
    """

    file: Path
    order: float
    needs: tuple[str, ...]
    after: tuple[str, ...]

    @property
    def name(self) -> str:
        """The file's name without its ending."""
        return self.file.stem


def discover(folder: Path) -> dict[str, Source]:
    """The notebooks of a folder by name, in their order.

    A notebook has a place when its metadata says `"report": {"order": 3}` or its name begins
    with digits; others are left out. Raises Refusal when there are none, when two share a place,
    or when they wait for each other.
    """
    placed = filter(None, map(_source, sorted(folder.glob("*.ipynb"))))
    found = sorted(placed, key=lambda source: source.order)
    for one, other in pairwise(found):
        if one.order == other.order:
            both = f"{one.file.name} and {other.file.name}"
            raise Refusal(f"{both} share place {one.order:g}: move one")
    if not found:
        raise Refusal(f"no notebooks in {folder}")
    sources = {source.name: source for source in found}
    width(waiting_for(sources))
    return sources


def _source(file: Path) -> Source | None:
    """A notebook as its metadata describes it; None when it has no place in the report."""
    about = read_notebook(file)["metadata"].get("report", {})
    digits = file.stem[: len(file.stem) - len(file.stem.lstrip("0123456789"))]
    order = about.get("order", int(digits) if digits else None)
    if order is None:
        return None
    try:
        needs, after = (tuple(map(str, about.get(name, ()))) for name in ("needs", "after"))
        return Source(file, float(order), needs, after)
    except (TypeError, ValueError) as error:
        raise Refusal(f"{file}: its report metadata cannot be read ({error})") from error


def waiting_for(sources: dict[str, Source]) -> dict[str, set[str]]:
    """For each notebook, those of the others that end before it starts."""
    return {name: {*one.needs, *one.after} & sources.keys() for name, one in sources.items()}


def width(waits: dict[str, set[str]]) -> int:
    """The most notebooks that can run at once when each takes equally long."""
    widest, ended = 0, set[str]()
    while len(ended) < len(waits):
        ready = {name for name, needs in waits.items() if name not in ended and needs <= ended}
        if not ready:
            raise Refusal(f"these notebooks wait for each other: {', '.join(waits.keys() - ended)}")
        widest, ended = max(widest, len(ready)), ended | ready
    return widest


def known_parameters(folder: Path = paths.NOTEBOOKS) -> dict[str, dict[str, Parameter]]:
    """The parameters of each notebook of a folder: {notebook: {name: Parameter}}."""
    return {name: read_parameters(source.file) for name, source in discover(folder).items()}


@dataclass(frozen=True)
class End:
    """How a notebook ended: with an entry in the cache unless it failed, with a job if it ran."""

    name: str
    entry: Entry | None = None
    job: Job | None = None

    @property
    def cost(self) -> dict[str, float]:
        """Seconds, and GB of memory, of the run that made the entry, or of the one that failed."""
        found = self.entry or self.job
        return found.cost if found else {"seconds": 0.0, "memory_gb": 0.0}

    @property
    def remark(self) -> str:
        """What the summary says beside the cost."""
        if self.entry:
            return "" if self.job else "kept"
        return "FAILED" if self.job else "NOT RUN"


class Runner:
    """Runs notebooks, each after those it waits for, unless the cache has what it would make.

    A notebook that fails stops none of the others but those that need its results.
    """

    def __init__(self, sources: dict[str, Source], workers: int | None, terminal: Terminal):
        self.sources, self.terminal = sources, terminal
        self.waits = waiting_for(sources)
        self.workers = workers or min(cores(), width(self.waits))
        self.threads = max(1, cores() // self.workers)
        self.running: dict[str, Job] = {}
        self.parts: dict[str, Callable[[], dict[str, str]]] = {}  # what each is made from, now
        self.ended: dict[str, End] = {}
        self.training: dict[str, str] = {}  # what the status line says of a notebook

    def run(self, folder: Path, values: dict[str, dict[str, Any]]) -> list[End]:
        """Run what has to run in a staging folder, in any event leaving no process behind.

        values: the parameters of each notebook, by its name.
        """
        try:
            while len(self.ended) < len(self.sources):
                for name in self._ready():
                    if len(self.running) < self.workers:
                        self._begin(name, folder / name, values[name])
                self._look()
                if self.running:
                    time.sleep(POLL)
        finally:
            self.terminal.close()
            jobs.stop(self.running.values())
        return [self.ended[name] for name in self.sources]

    def _ready(self) -> list[str]:
        """The notebooks that wait for nothing more, in their order."""
        left = [name for name in self.sources if name not in self.running | self.ended]
        return [name for name in left if self.waits[name] <= self.ended.keys()]

    def _begin(self, name: str, folder: Path, values: dict[str, Any]) -> None:
        """Take a notebook from the cache, else run it in a folder of its own; say which and why."""
        source = self.sources[name]
        needed = [self.ended[one] for one in source.needs if one in self.ended]
        entries = [end.entry for end in needed if end.entry]
        if len(entries) < len(needed):
            lacking = ", ".join(end.name for end in needed if not end.entry)
            self.ended[name] = End(name)
            self.terminal.line(f"{name}: not run, since it needs {lacking}")
            return
        given = {file: one for entry in entries for file, one in entry.under("results").items()}
        self.parts[name] = partial(notebook_parts, source.file, values, given)
        parts = self.parts[name]()
        entry, why = _kept(name).find(parts)
        self.terminal.line(f"{name}: {'unchanged, kept' if entry else f'runs ({why})'}")
        if entry:
            self.ended[name] = End(name, entry)
        else:
            self.running[name] = Job(source.file, folder, values, entries, parts, self.threads)

    def _look(self) -> None:
        """Report what has happened in the notebooks that run."""
        for name, job in list(self.running.items()):
            finished = job.finished()
            self._report_training(job)
            if finished:
                self.ended[name] = self._end(self.running.pop(name))
        shown = " | ".join(self.training.get(name, name) for name in self.running)
        self.terminal.status(shown, len(self.ended), len(self.sources))

    def _end(self, job: Job) -> End:
        """Keep what a notebook has made, unless it failed."""
        self.training.pop(job.name, None)
        how = f"FAILED ({job.failure}) after" if job.failure else "done in"
        self.terminal.line(f"{job.name}: {how} {clock(job.cost['seconds'])}")
        if job.failure:
            return End(job.name, job=job)
        parts = self.parts[job.name]()
        if parts != job.parts:
            what = changes(parts, job.parts)
            self.terminal.line(f"{job.name}: {what} while it ran; the next run repeats it")
            parts = job.parts | {"something, while it ran,": digest(parts)}
        return End(job.name, _kept(job.name).add(parts, job.products(), job.cost), job)

    def _report_training(self, job: Job) -> None:
        """On a terminal, epochs move the status line; everything else is a line."""
        for event in job.events.new():
            text = f"{job.name}: {describe(event)}"
            if event["event"] == "epoch" and self.terminal.live:
                self.training[job.name] = text
            else:
                self.training.pop(job.name, None)
                self.terminal.line(text)


def _kept(name: str) -> ResultCache:
    """What is kept of a notebook's runs."""
    return ResultCache(f"notebooks/{name}")


def default_output(profile: str) -> Path:
    """Where a profile's report goes: report/latest, or a folder of the profile's name."""
    return paths.REFERENCE / ("latest" if profile == "report" else profile)


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
    """Run those notebooks of a folder that have to run; publish the report if anything changed.

    assignments: "NAME=VALUE", for every notebook with that parameter. Raises Refusal before
    anything starts, and Failure, with nothing published, when a notebook failed.
    """
    runner = Runner(discover(folder), workers, terminal or Terminal())
    values = resolve(known_parameters(folder), assignments, profile)
    output = (output or default_output(profile)).resolve()
    if output / "notebooks" == folder.resolve():
        raise Refusal(f"{output} holds the sources of the notebooks: name another --output")
    with publish.staging(output) as staged:
        began, ended = time.monotonic(), runner.run(staged, values)
        if not all(end.entry for end in ended):
            _summary(ended, _record(runner, ended, time.monotonic() - began), runner.terminal)
            raise Failure(_left(staged))
        cost = _fill(staged, [end.entry for end in ended if end.entry], render, runner.terminal)
        run: dict[str, Any] = {"profile": profile, "parameters": list(assignments)}
        if publish.is_published(staged, output, run):
            runner.terminal.line("nothing changed")
        else:
            run |= _record(runner, ended, time.monotonic() - began, cost)
            publish.publish(staged, output, run)
            _summary(ended, run, runner.terminal)
        shutil.rmtree(staged)
    runner.terminal.line(f"{output / 'report.html'}\n{output / 'report.pdf'}")


def _fill(
    staged: Path, entries: list[Entry], render: Render, terminal: Terminal
) -> dict[str, float]:
    """Put what the notebooks made into the staging folder, and the documents: what these cost.

    The documents are rendered, or come from the cache.
    """
    for entry in entries:
        entry.copy_to(staged)
    notebooks = {file: one for entry in entries for file, one in entry.under("notebooks").items()}
    parts, kept = rendering_parts(notebooks), ResultCache("documents")
    documents, why = kept.find(parts)
    if documents:
        documents.copy_to(staged)
        return documents.cost
    terminal.line(f"all notebooks done, rendering ({why})")
    began = time.monotonic()
    try:
        render(staged / "notebooks", staged)
    except BaseException:  # Ctrl-C too
        terminal.line(_left(staged))
        raise
    used = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * jobs.MEMORY_UNIT / 1e9
    cost = {"seconds": time.monotonic() - began, "memory_gb": used}
    return kept.add(parts, {name: staged / name for name in publish.DOCUMENTS}, cost).cost


def _left(staged: Path) -> str:
    return (
        f"nothing is published; what ran is in {staged} until the next run, "
        "which runs only what is missing"
    )


def _record(
    runner: Runner, ended: list[End], seconds: float, rendering: dict[str, float] | None = None
) -> dict[str, Any]:
    """What run.json says of the cost: of the runs that made the parts, of the largest process."""
    costs = [end.cost for end in ended] + [rendering or {"seconds": 0.0, "memory_gb": 0.0}]
    return {
        "workers": runner.workers,
        "threads": runner.threads,
        "minutes": {end.name: round(end.cost["seconds"] / 60, 2) for end in ended},
        "rendering_minutes": round(costs[-1]["seconds"] / 60, 2),
        "total_minutes": round(seconds / 60, 2),
        "peak_memory_gb": round(max(cost["memory_gb"] for cost in costs), 2),
        "kept": [end.name for end in ended if end.entry and not end.job],
    }


def _summary(ended: list[End], run: dict, terminal: Terminal) -> None:
    """Minutes and memory, and again what failed and where to look."""
    terminal.line("")
    for end in ended:
        minutes = f"{end.cost['seconds'] / 60:7.1f} min"
        terminal.line(f"{end.name:<22}{minutes}  {end.remark}".rstrip())
    terminal.line(f"{'rendering':<22}{run['rendering_minutes']:7.1f} min")
    terminal.line(f"{'total':<22}{run['total_minutes']:7.1f} min, {run['workers']} at a time")
    peak = f"{run['peak_memory_gb']:7.1f} GB in the largest process, rendering counted"
    terminal.line(f"{'peak memory':<22}{peak}\n")
    for job in (end.job for end in ended if end.job and not end.entry):
        terminal.line(f"{job.name}: {job.failure}\n  notebook {job.result}\n  log      {job.log}\n")


def render_again(output: Path, render: Render = default_render) -> None:
    """Render a folder's report again from its executed notebooks; Refusal when it has none."""
    notebooks = output / "notebooks"
    if not any(notebooks.glob("*.ipynb")) or notebooks == paths.NOTEBOOKS:
        hint = "make them first, with python -m helpers report"
        raise Refusal(f"no executed notebooks in {output}: {hint}")
    with publish.staging(output) as staged:
        render(notebooks, staged)
        publish.exchange(staged, output, stale=[])
        shutil.rmtree(staged)
    print(output / "report.html", output / "report.pdf", sep="\n")
