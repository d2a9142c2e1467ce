"""The command line: python -m helpers report | render | sweep | benchmark | parameters."""

import argparse
import os
import signal
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path

from helpers import paths
from helpers.config import PROFILES, PUBLISHED
from helpers.errors import Failure, Refusal, check_choice

INTERRUPTED = 130  # the exit status of a command that Ctrl-C ended


def _count(text: str) -> int:
    """A number of workers. Raises ValueError below 1."""
    if int(text) < 1:
        raise ValueError(text)
    return int(text)


_count.__name__ = "count (1 or more)"  # what argparse calls it in its message


def _add_profile(parser: argparse.ArgumentParser) -> None:
    """The option that names a training protocol."""
    what = "training protocol (default: %(default)s)"
    parser.add_argument("--profile", choices=PROFILES, default="report", help=what)


def _add_output(parser: argparse.ArgumentParser) -> None:
    """The options that decide where a report is."""
    _add_profile(parser)
    where = parser.add_mutually_exclusive_group()
    what = "where the report is (default: report/latest, or report/PROFILE of other profiles)"
    where.add_argument("--output", type=Path, metavar="DIR", help=what)
    what = "the tracked reference run: report/, and figures/ at the top"
    where.add_argument("--reference", action="store_true", help=what)


def _add_notebooks(parser: argparse.ArgumentParser) -> None:
    """The option that names the folder of the notebooks."""
    what = "folder of the notebooks (default: notebooks/)"
    parser.add_argument("--notebooks", type=Path, default=paths.NOTEBOOKS, metavar="DIR", help=what)


def _output(given: argparse.Namespace) -> Path:
    """The folder of the report. Raises Refusal for a reference run of another profile."""
    from helpers.runner.pipeline import default_output

    if given.reference and given.profile != "report":
        raise Refusal(f"the reference run is of the profile report, not {given.profile}")
    chosen = paths.REFERENCE if given.reference else given.output
    return (chosen or default_output(given.profile)).resolve()


def add_report(commands) -> None:
    """`report`: run everything, then render."""
    parser = commands.add_parser(
        "report",
        help="run every notebook and make report.html and report.pdf",
        description="Run every notebook, several at a time, and make report.html and report.pdf. "
        "Nothing in the output folder changes unless all of it worked. Trained models are kept, "
        "and what a notebook made: one runs again only when its cells, its parameters, the code "
        "and data behind it or a result that it reads have changed. A run after Ctrl-C goes on "
        "from there.",
    )
    _add_output(parser)
    _add_notebooks(parser)
    what = "notebooks at a time (default: the cores there are)"
    parser.add_argument("--jobs", type=_count, metavar="N", help=what)
    what = "set a parameter in every notebook that has it ('parameters' lists them); may be "
    what += "repeated; -p NAME VALUE does the same"
    several = {"action": "append", "nargs": "+", "default": [], "metavar": "NAME=VALUE"}
    parser.add_argument("-p", dest="parameters", help=what, **several)
    parser.set_defaults(run=_report)


def _report(given: argparse.Namespace) -> None:
    from helpers.runner.pipeline import make_report

    output, assignments = _output(given), list(_assignments(given.parameters))
    if given.reference and assignments:
        raise Refusal("the reference run takes the notebooks' own parameters: leave out -p")
    make_report(given.profile, output, given.jobs, assignments, folder=given.notebooks)


def _assignments(groups: Iterable[list[str]]) -> Iterator[str]:
    """NAME=VALUE of every -p, which may have been given as NAME VALUE."""
    for words in groups:
        if len(words) == 2 and "=" not in words[0]:
            yield "=".join(words)
        else:
            yield from words


def add_render(commands) -> None:
    """`render`: make the documents again."""
    what = "make report.html and report.pdf again, from notebooks that have run"
    parser = commands.add_parser("render", help=what, description=f"M{what[1:]}.")
    _add_output(parser)
    parser.set_defaults(run=_render)


def _render(given: argparse.Namespace) -> None:
    from helpers.runner.pipeline import render_again

    render_again(_output(given))


def _add_workers(parser: argparse.ArgumentParser) -> None:
    """The options that decide where trainings run, and whether their code must be committed."""
    where = parser.add_mutually_exclusive_group()
    what = "trainings at a time (default: the cores there are)"
    where.add_argument("--jobs", type=_count, metavar="N", help=what)
    what = "train on the Dask cluster of this scheduler, such as tcp://10.0.0.1:8786; its workers "
    what += "share the cache, and whoever reaches it can run code on them"
    where.add_argument("--scheduler", metavar="ADDRESS", help=what)
    what = "allow code that is not committed; the rows say so"
    parser.add_argument("--trial", action="store_true", help=what)


def add_sweep(commands) -> None:
    """`sweep`: train every point of a grid."""
    parser = commands.add_parser(
        "sweep",
        help="train every point of a grid and write one table",
        description="Train every combination of the values given, several at a time, and write one "
        "table: a row per run and epoch. Trained models are kept: a sweep that was stopped goes on "
        "where it was, and a table that holds other runs already is added to.",
    )
    what = "what to combine: model=baseline,10-D  seed=0..4  latent_dim=1,2 (default: the baseline)"
    parser.add_argument("grid", nargs="*", metavar="NAME=VALUES", help=what)
    _add_profile(parser)
    what = "where the table goes (CSV)"
    parser.add_argument("--table", type=Path, required=True, metavar="FILE", help=what)
    what = "measure every trained model, half a minute each: one row per run, not one per epoch"
    parser.add_argument("--measure", action="store_true", help=what)
    _add_workers(parser)
    parser.set_defaults(run=_sweep)


def _sweep(given: argparse.Namespace) -> None:
    from helpers.runner.pipeline import cores
    from helpers.runner.sweep import configurations, parse_grid, sweep

    try:
        configs = configurations(parse_grid(given.grid), given.profile)
    except (ValueError, TypeError) as error:
        raise Refusal(str(error)) from error
    jobs, options = given.jobs or cores(), {"measure": given.measure, "trial": given.trial}
    sweep(configs, given.table, jobs, given.scheduler, **options)
    print(given.table)


def add_benchmark(commands) -> None:
    """`benchmark`: the plain recipe against the fast one."""
    parser = commands.add_parser(
        "benchmark",
        help="time to the same loss: the recipe of the keras.io example against this report's",
        description="Train the models by the recipe of the keras.io example and by this report's, "
        "time the steps of both in turns, and print the speed-up: how much earlier the second "
        "reaches the first one's loss. Leave the machine alone while steps are timed. Trainings "
        "are kept: a benchmark that was stopped goes on where it was.",
    )
    shown = "(default: %(default)s)"
    add = parser.add_argument
    add("--models", default=",".join(PUBLISHED), metavar="NAMES", help=f"which models {shown}")
    add("--seeds", default="0..2", metavar="LIST", help=f"such as 0,1 or 0..4 {shown}")
    add("--epochs", type=_count, default=30, metavar="N", help=f"of the plain recipe {shown}")
    add("--rounds", type=_count, default=3, metavar="N", help=f"timings of each step {shown}")
    add("--images", type=_count, metavar="N", help="train on the first N alone, for a trial")
    where = {"type": Path, "default": paths.REFERENCE / "results", "metavar": "DIR"}
    add("--output", **where, help="where its two tables go (default: report/results)")
    _add_workers(parser)
    parser.set_defaults(run=_benchmark)


def _benchmark(given: argparse.Namespace) -> None:
    from helpers.config import model_config
    from helpers.runner.benchmark import benchmark
    from helpers.runner.pipeline import cores
    from helpers.runner.sweep import parse_grid

    try:
        grid = parse_grid([f"model={given.models}", f"seed={given.seeds}"])
        for model in grid["model"]:
            check_choice("model", model, PUBLISHED)
        for seed in grid["seed"]:
            model_config("baseline", seed=seed, epochs=given.epochs, n_train=given.images)
    except ValueError as error:
        raise Refusal(str(error)) from error
    jobs = given.jobs or cores()
    options = (given.epochs, given.rounds, given.images, jobs, given.scheduler)
    benchmark(grid["model"], grid["seed"], *options, folder=given.output, trial=given.trial)


def add_parameters(commands) -> None:
    """`parameters`: what -p can set."""
    parser = commands.add_parser("parameters", help="list the parameters of every notebook")
    _add_notebooks(parser)
    parser.set_defaults(run=_list_parameters)


def _list_parameters(given: argparse.Namespace) -> None:
    from helpers.runner.pipeline import known_parameters

    for notebook, parameters in known_parameters(given.notebooks).items():
        print(notebook)
        for one in parameters.values():
            print(f"  {f'{one.name} = {one.default!r}':<32} {one.expects:<14} {one.help}")


def parser() -> argparse.ArgumentParser:
    """The parser of the whole command line; a command is a function that adds its own parser."""
    whole = argparse.ArgumentParser(
        prog="python -m helpers",
        description="A course report on variational autoencoders: run it, render it.",
        epilog="'python -m helpers COMMAND --help' tells more of a command.",
    )
    commands = whole.add_subparsers(required=True, metavar="COMMAND")
    for add in (add_report, add_render, add_sweep, add_benchmark, add_parameters):
        add(commands)
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
        given.run(given)
        sys.stdout.flush()
    except Failure as error:
        print(f"error: {error}", file=sys.stderr)
        return error.status
    except BrokenPipeError:  # whoever reads, as in `parameters | head`, has enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    except OSError as error:  # a folder that cannot be made, a full disk
        print(f"error: {error}", file=sys.stderr)
        return Failure.status
    except KeyboardInterrupt:
        kept = "What is finished, to the epoch, is kept: the same command goes on from there."
        print(f"\nStopped. {kept}", file=sys.stderr)
        return INTERRUPTED
    return 0


if __name__ == "__main__":
    sys.exit(main())
