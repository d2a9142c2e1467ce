"""The command line: python -m helpers COMMAND, each a function of that name here."""

import argparse
import inspect
import os
import signal
import sys
from pathlib import Path
from typing import Any

from helpers import paths
from helpers.config import PROFILES, PUBLISHED, model_config
from helpers.errors import Failure, Refusal, check_choice
from helpers.report import FORMATS

INTERRUPTED = 130  # the exit status of a command that Ctrl-C ended


def report(profile, output, reference, notebooks, jobs, format, p) -> None:
    """Run every notebook and make report.html and report.pdf.

    Several run at a time. Nothing in the output folder changes unless all of it worked. Trained
    models are kept, and what a notebook made: one runs again only when its cells, its parameters,
    the code and data behind it or a result that it reads have changed. A run after Ctrl-C goes on
    from there.
    """
    from helpers.runner.pipeline import make_report

    assignments: list[str] = []
    for words in p:
        pair = len(words) == 2 and "=" not in words[0]  # -p NAME VALUE
        assignments += ["=".join(words)] if pair else words
    if reference and assignments:
        raise Refusal("the reference run takes the notebooks' own parameters: leave out -p")
    if reference and format:
        raise Refusal("the reference run has both documents: leave out --format")
    output = _folder(profile, output, reference)
    if reference:
        from helpers.runner.sweep import refuse_uncommitted

        refuse_uncommitted(False, "reference run", "leave out --reference")
    make_report(profile, output, jobs, assignments, notebooks, format or FORMATS)


def render(profile, output, reference, format) -> None:
    """Make report.html and report.pdf again, from notebooks that have run."""
    from helpers.runner.pipeline import render_again

    render_again(_folder(profile, output, reference), format or FORMATS)


def sweep(grid, table, measure, profile, jobs, scheduler, trial) -> None:
    """Train every point of a grid and write one table.

    Several run at a time; the table has a row per run and epoch. Trained models are kept: a sweep
    that was stopped goes on where it was, and a table that holds other runs already is added to.
    """
    from helpers.runner import sweep

    try:
        configs = sweep.configurations(sweep.parse_grid(grid), profile)
    except (ValueError, TypeError) as error:
        raise Refusal(str(error)) from error
    paths.writable("--table", table.parent)
    if table.is_dir():
        raise Refusal(f"--table {table} is a folder: name a file in it")
    sweep.sweep(configs, table, jobs, scheduler, measure=measure, trial=trial)
    print(table)


def evidence(list, tables, jobs, scheduler) -> None:
    """List the runs behind the verdicts, done and left, and make those that are left.

    The rows go to report/results/unfinished/; a table whose runs are all there moves to
    report/results/, where the report reads it. It may be stopped at any time and goes on there.
    """
    from helpers.runner import plan

    try:
        for name in tables or []:
            check_choice("--tables", name, dict.fromkeys(batch.table for batch in plan.PLAN))
    except ValueError as error:
        raise Refusal(str(error)) from error
    chosen = tuple(batch for batch in plan.PLAN if not tables or batch.table in tables)
    found = plan.listed(chosen)
    print(found.to_string(index=False, na_rep="unknown"))
    left, hours = (found["planned"] - found["done"]).sum(), found["hours left"].sum()
    print(f"{left} of {found['planned'].sum()} runs are left: {hours:.0f} hours, one at a time")
    if not list:
        plan.run(chosen, jobs, scheduler)


def benchmark(
    models, seeds, epochs, rounds, images, factorial, output, reference, jobs, scheduler, trial
) -> None:
    """Time to the same loss: the recipe of the keras.io example, its rival and this report's.

    Trains the models by every recipe, times their steps in turns, and prints how much sooner each
    reaches the loss at which the best seed of the example's ends. Leave the machine alone while
    steps are timed. Trainings are kept: a benchmark that was stopped goes on where it was. The
    report reads the tables of --reference alone.
    """
    from helpers.runner import benchmark
    from helpers.runner.sweep import parse_grid

    try:
        grid = parse_grid([f"model={models}", f"seed={seeds}"])
        for model in grid["model"]:
            check_choice("model", model, PUBLISHED)
        for seed in grid["seed"]:
            model_config("baseline", seed=seed, epochs=epochs, n_train=images)
    except ValueError as error:
        raise Refusal(str(error)) from error
    where: dict[str, Any] = {"jobs": jobs, "scheduler": scheduler, "trial": trial}
    if reference and (output or trial):
        other = "--trial" if trial else "--output"
        raise Refusal(f"--reference is for the tables that the report reads: leave out {other}")
    tracked = paths.REFERENCE / "results"
    if output and output.resolve() == tracked:
        raise Refusal("report/results/ has the tracked tables: say --reference, not --output")
    where["folder"] = paths.writable("--output", tracked if reference else output or benchmark.OWN)
    if factorial:
        benchmark.factorial(grid["model"], grid["seed"], images, **where)
    else:
        benchmark.benchmark(grid["model"], grid["seed"], epochs, rounds, images, **where)


def parameters(notebooks) -> None:
    """List the parameters of every notebook."""
    from helpers.runner.pipeline import known_parameters

    for notebook, known in known_parameters(notebooks).items():
        print(notebook)
        for one in known.values():
            print(f"  {f'{one.name} = {one.default!r}':<32} {one.expects:<14} {one.help}")


def lab(options) -> None:
    """Open copies of the notebooks in JupyterLab.

    They are in lab/, which git ignores; a copy that is there already stays as it is. Other options
    are JupyterLab's own, such as --no-browser.
    """
    from helpers.runner.lab import open_lab

    open_lab(options)


def _folder(profile: str, output: Path | None, reference: bool) -> Path:
    """The folder of a report. Raises Refusal for a reference run of another profile or place."""
    if reference and (output or profile != "report"):
        raise Refusal("the reference run is of the profile report, in report/: leave out --output")
    if output and output.resolve() == paths.REFERENCE:
        raise Refusal("report/ is the place of the reference run: say --reference, not --output")
    own = paths.REFERENCE / ("latest" if profile == "report" else profile)
    return paths.writable("--output", paths.REFERENCE if reference else output or own)


def _count(text: str) -> int:
    """A whole number. Raises ValueError below 1."""
    if int(text) < 1:
        raise ValueError(text)
    return int(text)


_count.__name__ = "count (1 or more)"  # what argparse calls it in its message
COUNT: dict[str, Any] = {"type": _count, "metavar": "N"}
FOLDER: dict[str, Any] = {"type": Path, "metavar": "DIR"}
OPTIONS: dict[str, dict[str, Any]] = {  # of all commands, as argparse takes them
    "grid": {"nargs": "*", "metavar": "NAME=VALUES", "help": "what to combine: "
             "model=baseline,10-D  seed=0..4  latent_dim=1,2 (default: the baseline)"},
    "--table": {"type": Path, "required": True, "metavar": "FILE", "help": "the table (CSV)"},
    "--measure": {"action": "store_true", "help": "measure every trained model, half a minute "
                  "each: one row per run, not one per epoch"},
    "--profile": {"choices": PROFILES, "default": "report", "help": "training protocol"},
    "--list": {"action": "store_true", "help": "list them alone"},
    "--tables": {"nargs": "+", "metavar": "NAME", "help": "only these, such as seeds.csv"},
    "--models": {"default": ",".join(PUBLISHED), "metavar": "NAMES", "help": "which models"},
    "--seeds": {"default": "0..2", "metavar": "LIST", "help": "such as 0,1 or 0..4"},
    "--epochs": COUNT | {"default": 30, "help": "of the plain recipe"},
    "--rounds": COUNT | {"default": 3, "help": "timings of each step"},
    "--images": COUNT | {"help": "train on the first N alone, for a trial"},
    "--factorial": {"action": "store_true", "help": "instead: tune each recipe's rate, then cross "
                    "optimiser, schedule and batch size; hours"},
    "--output": FOLDER | {"help": "where the report is (default: report/latest, or report/PROFILE; "
                          "of a benchmark's tables: report/latest/results)"},
    "--reference": {"action": "store_true",
                    "help": "the tracked reference run: report/, and figures/ at the top; of a "
                    "benchmark's tables: report/results"},
    "--notebooks": FOLDER | {"default": paths.NOTEBOOKS, "help": "folder of the notebooks"},
    "--format": {"choices": FORMATS, "action": "append", "help": "this document alone"},
    "-p": {"action": "append", "nargs": "+", "default": [], "metavar": "NAME=VALUE", "help": "set "
           "a parameter in every notebook that has it ('parameters' lists them); may be repeated; "
           "-p NAME VALUE does the same"},
    "--jobs": COUNT | {"help": "so many at a time (default: all cores)"},
    "--scheduler": {"metavar": "ADDRESS", "help": "train on the Dask cluster of this scheduler, "
                    "such as tcp://10.0.0.1:8786; its workers share the cache, and whoever "
                    "reaches it can run code on them"},
    "--trial": {"action": "store_true", "help": "allow uncommitted code; the rows say so"},
}  # fmt: skip


def parser() -> argparse.ArgumentParser:
    """The parser of the whole command line: a command's options are its function's arguments."""
    whole = argparse.ArgumentParser(
        prog="python -m helpers",
        description="A course report on variational autoencoders: run it, render it.",
        epilog="'python -m helpers COMMAND --help' tells more of a command.",
    )
    commands = whole.add_subparsers(required=True, metavar="COMMAND")
    for command in (report, render, sweep, evidence, benchmark, parameters, lab):
        text, known = inspect.getdoc(command) or "", inspect.signature(command).parameters
        what = text.partition("\n")[0].lower().rstrip(".")
        added = commands.add_parser(command.__name__, help=what, description=text)
        added.set_defaults(command=command)
        for flag, options in OPTIONS.items():
            if flag.strip("-") in known:
                more = " (default: %(default)s)" if options.get("default") else ""
                added.add_argument(flag, **options | {"help": options["help"] + more})
    return whole


def main(arguments: list[str] | None = None) -> int:
    """Run a command: 0 when it worked, 1 failed, 2 refused, 130 interrupted."""
    whole = parser()
    known, others = whole.parse_known_args(arguments)
    if others and known.command is not lab:
        whole.error(f"unrecognized arguments: {' '.join(others)}")
    from helpers import provenance
    from helpers.runner.watched import without_grammar

    without_grammar()
    given = vars(known) | ({"options": others} if known.command is lab else {})
    for number in (signal.SIGTERM, signal.SIGHUP):
        if signal.getsignal(number) != signal.SIG_IGN:
            signal.signal(number, signal.default_int_handler)  # does what Ctrl-C does
    try:
        if given.get("scheduler") and given["jobs"]:
            raise Refusal("--jobs is for this machine: leave it out with --scheduler")
        paths.cache(), paths.output(), provenance.threads(), provenance.backend()
        given.pop("command")(**given)
        sys.stdout.flush()
    except BrokenPipeError:  # whoever reads, as in `parameters | head`, has enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    except (Failure, OSError) as error:  # OSError: a folder that cannot be made, a full disk
        print(f"error: {error}", file=sys.stderr)
        return getattr(error, "status", Failure.status)
    except KeyboardInterrupt:
        kept = "What is finished, to the epoch, is kept: the same command goes on from there."
        print(f"\nStopped. {kept}", file=sys.stderr)
        return INTERRUPTED
    return 0


if __name__ == "__main__":
    sys.exit(main())
