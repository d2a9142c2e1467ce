"""The whole report: every notebook, several at a time where they can be, then one document."""

import os
import re
import resource
import time
from collections.abc import Callable, Sequence
from dataclasses import field
from functools import partial
from pathlib import Path
from typing import Any

from dask.system import CPU_COUNT  # cores that this process may use
from pydantic import FiniteFloat
from pydantic.dataclasses import dataclass

from helpers import paths, provenance
from helpers.config import PROFILES
from helpers.definitions import digest
from helpers.errors import Failure, Refusal, one_line
from helpers.parameters import Parameter, read_notebook, read_parameters, resolve
from helpers.progress import clock
from helpers.report import FORMATS
from helpers.runner import publish
from helpers.runner.cache import Entry, ResultCache, changes, notebook_parts, rendering_parts
from helpers.runner.jobs import MEMORY_UNIT, Job
from helpers.runner.terminal import Terminal

POLL = 0.2  # seconds between two looks at the notebooks
NO_COSTS = {"seconds": 0.0, "memory_gb": 0.0}


@dataclass(frozen=True)
class Source:
    """A notebook of the report, with its place and its needs as its metadata states them.

    needs: names of notebooks whose stored results it reads; after: of those that train a model
    which it takes too, so that no two wait for one training; trial: smaller parameters, for
    profiles that train on a part of the images.
    """

    file: Path
    order: FiniteFloat
    needs: tuple[str, ...] = ()
    after: tuple[str, ...] = ()
    trial: dict[str, Any] = field(default_factory=dict)


def discover(folder: Path) -> dict[str, Source]:
    """The notebooks of a folder by name, in their order.

    A notebook has a place when its metadata says `"report": {"order": 3}` or its name begins
    with digits; others are left out. Raises Refusal when there are none, when two share a place,
    or when they wait for each other.
    """
    places: dict[float, Source] = {}
    for file in sorted(folder.glob("*.ipynb")):
        about = read_notebook(file)["metadata"].get("report", {})
        try:
            about = {"order": re.sub(r"\D.*", "", file.stem)} | about
            if about["order"] == "":
                continue
            source = Source(file=file, **about)
        except (TypeError, ValueError) as error:
            why = one_line(error)
            raise Refusal(f"{file}: its report metadata cannot be read ({why})") from error
        if other := places.get(source.order):
            both = f"{other.file.name} and {file.name}"
            raise Refusal(f"{both} share place {source.order:g}: move one")
        places[source.order] = source
    if not places:
        raise Refusal(f"no notebooks in {folder}: name a folder that has some")
    sources = {places[order].file.stem: places[order] for order in sorted(places)}
    width(sources)
    return sources


def lacking(sources: dict[str, Source]) -> list[str]:
    """What notebooks need of others that are not there: they may still be able to do without."""
    return [f"{name} needs the results of {other}" for name, source in sources.items()
            for other in source.needs if other not in sources]  # fmt: skip


def ready(sources: dict[str, Source], left: Sequence[str]) -> list[str]:
    """Those of the notebooks that are left that wait for no other of them."""
    waits = {name: {*sources[name].needs, *sources[name].after} for name in left}
    return [name for name in left if waits[name].isdisjoint(left)]


def width(sources: dict[str, Source]) -> int:
    """The most notebooks that can run at once when each takes equally long."""
    widest, left = 0, list(sources)
    while left:
        now = ready(sources, left)
        if not now:
            raise Refusal(f"these notebooks wait for each other: {', '.join(left)}")
        widest, left = max(widest, len(now)), [name for name in left if name not in now]
    return widest


def known_parameters(folder: Path = paths.NOTEBOOKS) -> dict[str, dict[str, Parameter]]:
    """The parameters of each notebook of a folder: {notebook: {name: Parameter}}."""
    return {name: read_parameters(source.file) for name, source in discover(folder).items()}


class Runner:
    """Runs notebooks, each after those it waits for, unless the cache has what it would make.

    A notebook that fails stops none of the others but those that need its results. Once it has
    ended it is in `entries`, or in `failed`: with its job, or None when it was not run.
    """

    def __init__(self, sources: dict[str, Source], workers: int | None, terminal: Terminal):
        self.sources, self.terminal, self.began = sources, terminal, time.monotonic()
        self.workers = workers or min(CPU_COUNT, width(sources))
        self.threads = max(1, CPU_COUNT // self.workers)
        self.running: dict[str, Job] = {}
        self.entries: dict[str, Entry] = {}
        self.failed: dict[str, Job | None] = {}
        self.kept: list[str] = []  # names of those that did not have to run
        self.parts: dict[str, Callable[[], dict[str, str]]] = {}  # what each is made from, now

    def run(self, folder: Path, values: dict[str, dict[str, Any]]) -> None:
        """Run what has to run in a staging folder, in any event leaving no process behind.

        values: the parameters of each notebook, by its name.
        """
        said = "start cached waiting done" + " epoch" * (not self.terminal.live)
        try:
            while left := [name for name in self.sources if name not in self.entries | self.failed]:
                for name in ready(self.sources, left):
                    if name not in self.running and len(self.running) < self.workers:
                        self._begin(name, folder / name, values[name])
                ended = [job for job in self.running.values() if job.finished()]
                events, total = [job.events for job in self.running.values()], len(self.sources)
                self.terminal.follow(events, said, total - len(left), total)
                for job in ended:
                    self._end(self.running.pop(job.name))
                if self.running:
                    time.sleep(POLL)
        finally:
            self.terminal.close()
            for job in self.running.values():
                job.stop()

    def _begin(self, name: str, folder: Path, values: dict[str, Any]) -> None:
        """Take a notebook from the cache, else run it in a folder of its own; say which and why."""
        source = self.sources[name]
        if lacking := ", ".join(one for one in source.needs if one in self.failed):
            self.failed[name] = None
            return self.terminal.line(f"{name}: not run, since it needs {lacking}")
        needed = [self.entries[one] for one in source.needs if one in self.entries]
        given = {file: one for entry in needed for file, one in entry.under("results").items()}
        self.parts[name] = partial(notebook_parts, source.file, values, given)
        parts = self.parts[name]()
        entry, why = ResultCache(f"notebooks/{name}").find(parts)
        self.terminal.line(f"{name}: {'unchanged, kept' if entry else f'runs ({why})'}")
        if entry:
            self.entries[name] = entry
            self.kept.append(name)
        else:
            self.running[name] = Job(source.file, folder, values, needed, parts, self.threads)

    def _end(self, job: Job) -> None:
        """Keep what a notebook has made, unless it failed."""
        name, parts, now = job.name, job.parts, self.parts[job.name]()
        how = f"FAILED ({job.failure}) after" if job.failure else "done in"
        self.terminal.line(f"{name}: {how} {clock(job.cost['seconds'])}")
        if job.failure:
            self.failed[name] = job
            return
        if now != parts:
            what = changes(now, parts)
            self.terminal.line(f"{name}: {what} while it ran; the next run repeats it")
            parts = parts | {"something, while it ran,": digest(now)}
        self.entries[name] = ResultCache(f"notebooks/{name}").add(parts, job.made, job.cost)

    def costs(self, rendering: dict[str, float] = NO_COSTS) -> dict[str, Any]:
        """What run.json says of the cost: of the runs that made the parts, of the largest process.

        rendering: its seconds and GB.
        """
        ended = self.entries | self.failed
        found = {n: NO_COSTS | (end.cost if (end := ended[n]) else {}) for n in self.sources}
        memory = max(cost["memory_gb"] for cost in (rendering, *found.values()))
        return {
            "workers": self.workers,
            "threads": self.threads,
            "minutes": {name: round(cost["seconds"] / 60, 2) for name, cost in found.items()},
            "rendering_minutes": round(rendering["seconds"] / 60, 2),
            "total_minutes": round((time.monotonic() - self.began) / 60, 2),
            "peak_memory_gb": round(memory, 2),
            "kept": self.kept,
        }

    def summary(self, costs: dict[str, Any]) -> None:
        """Print minutes and memory, and again what failed and where to look."""
        say, marks = self.terminal.line, dict.fromkeys(self.kept, "kept")
        marks |= {name: "FAILED" if job else "NOT RUN" for name, job in self.failed.items()}
        marks |= {"total": f"{self.workers} at a time"}
        whole = {"rendering": costs["rendering_minutes"], "total": costs["total_minutes"]}
        say("")
        for name, minutes in (costs["minutes"] | whole).items():
            say(f"{name:<22}{minutes:7.1f} min  {marks.get(name, '')}".rstrip())
        peak = f"{costs['peak_memory_gb']:7.1f} GB in the largest process, rendering counted"
        say(f"{'peak memory':<22}{peak}\n")
        for job in filter(None, self.failed.values()):
            say(f"{job.name}: {job.failure}\n  notebook {job.result}\n  log      {job.log}\n")


def render(notebooks: Path, output: Path, links: str, formats: Sequence[str]) -> None:
    """Make documents of these formats in `output` from a folder of executed notebooks."""
    from helpers.report import exporters  # the slowest import here

    exporters.render(notebooks, output, links, formats)


def linked(output: Path, sources: Path = paths.NOTEBOOKS) -> str:
    """The folder of the notebooks that a report leads to, as seen from its own.

    They are the executed ones beside it; of the reference run, where git does not track these, the
    sources.
    """
    place = os.path.relpath(sources, output) if output == paths.REFERENCE else "notebooks"
    return Path(place).as_posix()


def make_report(
    profile: str, output: Path, workers: int | None = None, assignments: Sequence[str] = (),
    folder: Path = paths.NOTEBOOKS, formats: Sequence[str] = FORMATS,
) -> None:  # fmt: skip
    """Run those notebooks of a folder that have to run; publish the report if anything changed.

    assignments: "NAME=VALUE", for every notebook with that parameter; formats: of the documents,
    of FORMATS. Raises Refusal before anything starts, and Failure, with nothing published, when a
    notebook failed.
    """
    terminal, output = Terminal(), output.resolve()
    runner = Runner(discover(folder), workers, terminal)
    values = resolve(known_parameters(folder), assignments, profile)
    for sentence in lacking(runner.sources):
        terminal.line(f"{sentence}, which is not in {folder}")
    if "n_train" in PROFILES[profile]:
        values = {name: runner.sources[name].trial | given for name, given in values.items()}
    if {folder.resolve(), paths.NOTEBOOKS} & {output, output / "notebooks"}:
        raise Refusal(f"{output} holds the sources of the notebooks: name another --output")
    with publish.staging(output) as staged:
        left = f"nothing is published; what ran is in {staged} until the next run, "
        left += "which runs only what is missing"
        runner.run(staged, values)
        if runner.failed:
            runner.summary(runner.costs())
            raise Failure(left)
        try:
            entries = [*runner.entries.values()]
            rendering = _fill(staged, entries, terminal, linked(output, folder), formats)
        except BaseException:  # Ctrl-C too
            terminal.line(left)
            raise
        run: dict[str, Any] = {"profile": profile, "parameters": list(assignments)}
        if publish.is_published(staged, output, run):
            terminal.line("nothing changed")
        else:
            costs = runner.costs(rendering)
            about = provenance.about(measuring=True) | {"threads": runner.threads}
            others = [output / f"report.{name}" for name in FORMATS if name not in formats]
            gone = [file for file in others if file.exists()]
            publish.publish(staged, output, run | costs | {"provenance": about})
            for file in gone:
                terminal.line(f"{file} is removed: it is not of this run")
            runner.summary(costs)
    terminal.line(documents(output, formats))


def documents(output: Path, formats: Sequence[str]) -> str:
    """The files of a report's documents, a line each."""
    return "\n".join(str(output / f"report.{name}") for name in formats)


def _fill(
    staged: Path, entries: list[Entry], terminal: Terminal, links: str, formats: Sequence[str]
) -> dict[str, float]:
    """Put what the notebooks made into a staged report, and the documents: what these cost.

    The documents are rendered, or come from the cache.
    """
    for entry in entries:
        entry.copy_to(staged / "report")
    notebooks = {file: one for entry in entries for file, one in entry.under("notebooks").items()}
    parts, kept = rendering_parts(notebooks, links, formats), ResultCache("documents")
    made, why = kept.find(parts)
    if made is None:
        terminal.line(f"all notebooks done, rendering ({why})")
        began = time.monotonic()
        render(staged / "report" / "notebooks", staged / "documents", links, formats)
        used = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * MEMORY_UNIT / 1e9
        cost = {"seconds": time.monotonic() - began, "memory_gb": used}
        made = kept.add(parts, staged / "documents", cost)
    made.copy_to(staged / "report")
    return made.cost


def render_again(output: Path, formats: Sequence[str] = FORMATS) -> None:
    """Render a folder's report again, from its executed notebooks; Refusal when it has none."""
    notebooks = output / "notebooks"
    if not any(notebooks.glob("*.ipynb")) or notebooks == paths.NOTEBOOKS:
        hint = "make them first, with python -m helpers report"
        raise Refusal(f"no executed notebooks in {output}: {hint}")
    with publish.staging(output) as staged:
        render(notebooks, staged / "report", linked(output), formats)
        publish.publish(staged, output)
    print(documents(output, formats))
