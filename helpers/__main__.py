"""The command line: python -m helpers report | render | sweep | benchmark | parameters."""

import argparse
import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from helpers import paths
from helpers.config import PROFILES, PUBLISHED, model_config
from helpers.errors import Failure, Refusal, check_choice

INTERRUPTED = 130  # the exit status of a command that Ctrl-C ended


def _count(text: str) -> int:
    """A number of workers. Raises ValueError below 1."""
    if int(text) < 1:
        raise ValueError(text)
    return int(text)


_count.__name__ = "count (1 or more)"  # what argparse calls it in its message


def _output(given: argparse.Namespace) -> Path:
    """The folder of the report. Raises Refusal for a reference run of another profile."""
    if given.reference and given.profile != "report":
        raise Refusal(f"the reference run is of the profile report, not {given.profile}")
    if given.output and given.output.resolve() == paths.REFERENCE:
        raise Refusal("report/ is the place of the reference run: say --reference, not --output")
    if given.reference and given.output:
        raise Refusal("--reference names a place as --output does: leave one out")
    own = paths.REFERENCE / ("latest" if given.profile == "report" else given.profile)
    return (paths.REFERENCE if given.reference else given.output or own).resolve()


def _report(given: argparse.Namespace) -> None:
    from helpers.runner.pipeline import make_report

    assignments: list[str] = []
    for words in given.parameters:
        pair = len(words) == 2 and "=" not in words[0]  # -p NAME VALUE
        assignments += ["=".join(words)] if pair else words
    if given.reference and assignments:
        raise Refusal("the reference run takes the notebooks' own parameters: leave out -p")
    make_report(given.profile, _output(given), given.jobs, assignments, folder=given.notebooks)


def _render(given: argparse.Namespace) -> None:
    from helpers.runner.pipeline import render_again

    render_again(_output(given))


def _sweep(given: argparse.Namespace) -> None:
    from helpers.runner.sweep import configurations, parse_grid, sweep

    try:
        configs = configurations(parse_grid(given.grid), given.profile)
    except (ValueError, TypeError) as error:
        raise Refusal(str(error)) from error
    options = {"measure": given.measure, "trial": given.trial}
    sweep(configs, given.table, given.jobs, given.scheduler, **options)
    print(given.table)


def _benchmark(given: argparse.Namespace) -> None:
    from helpers.runner.benchmark import benchmark, factorial
    from helpers.runner.sweep import parse_grid

    try:
        grid = parse_grid([f"model={given.models}", f"seed={given.seeds}"])
        for model in grid["model"]:
            check_choice("model", model, PUBLISHED)
        for seed in grid["seed"]:
            model_config("baseline", seed=seed, epochs=given.epochs, n_train=given.images)
    except ValueError as error:
        raise Refusal(str(error)) from error
    where = {"folder": given.output, "trial": given.trial}
    if given.factorial:
        return factorial(grid["model"], grid["seed"], given.jobs, given.scheduler, **where)
    options = (given.epochs, given.rounds, given.images, given.jobs, given.scheduler)
    benchmark(grid["model"], grid["seed"], *options, **where)


def _parameters(given: argparse.Namespace) -> None:
    from helpers.runner.pipeline import known_parameters

    for notebook, parameters in known_parameters(given.notebooks).items():
        print(notebook)
        for one in parameters.values():
            print(f"  {f'{one.name} = {one.default!r}':<32} {one.expects:<14} {one.help}")


SHARED: dict[str, dict[str, Any]] = {  # options of several commands, as argparse takes them
    "--profile": {"choices": PROFILES, "default": "report",
                  "help": "training protocol (default: %(default)s)"},
    "--output": {"type": Path, "metavar": "DIR",
                 "help": "where the report is (default: report/latest, or report/PROFILE)"},
    "--reference": {"action": "store_true",
                    "help": "the tracked reference run: report/, and figures/ at the top"},
    "--notebooks": {"type": Path, "metavar": "DIR", "default": paths.NOTEBOOKS,
                    "help": "folder of the notebooks (default: notebooks/)"},
    "--jobs": {"type": _count, "metavar": "N", "help": "so many at a time (default: all cores)"},
    "--scheduler": {"metavar": "ADDRESS", "help": "train on the Dask cluster of this scheduler, "
                    "such as tcp://10.0.0.1:8786; its workers share the cache, and whoever "
                    "reaches it can run code on them"},
    "--trial": {"action": "store_true", "help": "allow uncommitted code; the rows say so"},
}  # fmt: skip


def parser() -> argparse.ArgumentParser:
    """The parser of the whole command line: each command with its options."""
    whole = argparse.ArgumentParser(
        prog="python -m helpers",
        description="A course report on variational autoencoders: run it, render it.",
        epilog="'python -m helpers COMMAND --help' tells more of a command.",
    )
    commands = whole.add_subparsers(required=True, metavar="COMMAND")

    def command(run: Callable, what: str, more: str, *options: str) -> Callable:
        """Add the command of a function, with shared options; what adds another option to it."""
        text = f"{what[0].upper()}{what[1:]}. {more}"
        added = commands.add_parser(run.__name__[1:], help=what, description=text)
        added.set_defaults(run=run)
        for option in options:
            added.add_argument(option, **SHARED[option])
        return added.add_argument

    add = command(_report, "run every notebook and make report.html and report.pdf", """Several run
        at a time. Nothing in the output folder changes unless all of it worked. Trained models are
        kept, and what a notebook made: one runs again only when its cells, its parameters, the code
        and data behind it or a result that it reads have changed. A run after Ctrl-C goes on from
        there.""", "--profile", "--output", "--reference", "--notebooks", "--jobs")  # fmt: skip
    what = "set a parameter in every notebook that has it ('parameters' lists them); may be "
    what += "repeated; -p NAME VALUE does the same"
    several = {"action": "append", "nargs": "+", "default": [], "metavar": "NAME=VALUE"}
    add("-p", dest="parameters", help=what, **several)
    what = "make report.html and report.pdf again, from notebooks that have run"
    command(_render, what, "", "--profile", "--output", "--reference")
    add = command(_sweep, "train every point of a grid and write one table", """Several run at a
        time; the table has a row per run and epoch. Trained models are kept: a sweep that was
        stopped goes on where it was, and a table that holds other runs already is added to.""",
        "--profile", "--jobs", "--scheduler", "--trial")  # fmt: skip
    what = "what to combine: model=baseline,10-D  seed=0..4  latent_dim=1,2 (default: the baseline)"
    add("grid", nargs="*", metavar="NAME=VALUES", help=what)
    add("--table", type=Path, required=True, metavar="FILE", help="where the table goes (CSV)")
    what = "measure every trained model, half a minute each: one row per run, not one per epoch"
    add("--measure", action="store_true", help=what)
    what = "time to the same loss: the recipe of the keras.io example, its rival and this report's"
    add = command(_benchmark, what, """Trains the models by every recipe, times their steps in
        turns, and prints how much sooner each reaches the loss at which the best seed of the
        example's ends. Leave the machine alone while steps are timed. Trainings are kept: a
        benchmark that was stopped goes on where it was.""", "--jobs", "--scheduler", "--trial")
    shown = "(default: %(default)s)"
    add("--models", default=",".join(PUBLISHED), metavar="NAMES", help=f"which models {shown}")
    add("--seeds", default="0..2", metavar="LIST", help=f"such as 0,1 or 0..4 {shown}")
    add("--epochs", type=_count, default=30, metavar="N", help=f"of the plain recipe {shown}")
    add("--rounds", type=_count, default=3, metavar="N", help=f"timings of each step {shown}")
    add("--images", type=_count, metavar="N", help="train on the first N alone, for a trial")
    where = {"type": Path, "metavar": "DIR", "default": paths.REFERENCE / "results"}
    what = "instead: tune each recipe's rate, then cross optimiser, schedule and batch size; hours"
    add("--factorial", action="store_true", help=what)
    add("--output", help="where its tables go (default: report/results)", **where)
    command(_parameters, "list the parameters of every notebook", "", "--notebooks")
    return whole


def _stop(number, frame):
    """Any signal that asks to stop does what Ctrl-C does."""
    raise KeyboardInterrupt


def main(arguments: list[str] | None = None) -> int:
    """Run a command: 0 when it worked, 1 failed, 2 refused, 130 interrupted."""
    given = parser().parse_args(arguments)
    for number in (signal.SIGTERM, signal.SIGHUP):
        if signal.getsignal(number) != signal.SIG_IGN:
            signal.signal(number, _stop)
    try:
        if getattr(given, "scheduler", None) and given.jobs:
            raise Refusal("--jobs is for this machine: leave it out with --scheduler")
        given.run(given)
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
