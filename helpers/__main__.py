"""The command line: python -m helpers report | render | sweep | benchmark | parameters."""

import argparse
import signal
import sys
from pathlib import Path

from helpers import paths
from helpers.runner import pipeline
from helpers.runner.benchmark import benchmark
from helpers.errors import check_choice
from helpers.evidence.speed import PUBLISHED
from helpers.config import PROFILES
from helpers.runner.sweep import configurations, parse_grid, sweep
from helpers.errors import Failure, Refusal

INTERRUPTED = 130  # the exit status of a command that Ctrl-C ended


def _count(text: str) -> int:
    """A number of workers. Raises ValueError below 1."""
    if int(text) < 1:
        raise ValueError(text)
    return int(text)


_count.__name__ = "count (1 or more)"  # what argparse calls it in its message


def _add_profile(parser: argparse.ArgumentParser) -> None:
    """The option that names a training protocol."""
    parser.add_argument(
        "--profile", choices=PROFILES, default="report", help="training protocol (default: %(default)s)"
    )


def _add_output(parser: argparse.ArgumentParser) -> None:
    """The options that decide where a report is."""
    _add_profile(parser)
    parser.add_argument(
        "--output",
        type=Path,
        metavar="DIR",
        help="where the report goes (default: report/, or report/PROFILE for the other profiles)",
    )


def add_report(commands) -> None:
    """`report`: run everything, then render."""
    parser = commands.add_parser(
        "report",
        help="run every notebook and make report.html and report.pdf",
        description="Run every notebook, several at a time, and make report.html and report.pdf. Nothing in "
        "the output folder changes unless all of it worked. Trained models are kept, and what a notebook made: one "
        "runs again only when its cells, its parameters, the code and data behind it or a result that it reads "
        "have changed. A run after Ctrl-C goes on from there.",
    )
    _add_output(parser)
    parser.add_argument("--jobs", type=_count, metavar="N", help="notebooks at a time (default: the cores there are)")
    parser.add_argument(
        "-p",
        dest="parameters",
        action="append",
        default=[],
        metavar="NAME=VALUE",
        help="set a parameter in every notebook that has it; may be repeated ('parameters' lists them)",
    )
    parser.set_defaults(
        run=lambda given: pipeline.make_report(given.profile, given.output, given.jobs, given.parameters)
    )


def add_render(commands) -> None:
    """`render`: make the documents again."""
    parser = commands.add_parser(
        "render",
        help="make report.html and report.pdf again, from notebooks that have run",
        description="Make report.html and report.pdf again from the executed notebooks in the output folder.",
    )
    _add_output(parser)
    parser.set_defaults(
        run=lambda given: pipeline.render_again((given.output or pipeline.default_output(given.profile)).resolve())
    )


def _add_workers(parser: argparse.ArgumentParser) -> None:
    """The options that decide where trainings run."""
    where = parser.add_mutually_exclusive_group()
    where.add_argument(
        "--jobs",
        type=_count,
        metavar="N",
        help="trainings at a time (default: the cores there are)",
    )
    where.add_argument(
        "--scheduler",
        metavar="ADDRESS",
        help="train on the Dask cluster of this scheduler, such as tcp://10.0.0.1:8786; its workers share the cache",
    )


def add_sweep(commands) -> None:
    """`sweep`: train every point of a grid."""
    parser = commands.add_parser(
        "sweep",
        help="train every point of a grid and write one table",
        description="Train every combination of the values given, several at a time, and write one tidy table: a row "
        "per run and epoch. Trained models are kept: a sweep that was stopped goes on where it was, and a table that "
        "holds other runs already is added to.",
    )
    parser.add_argument(
        "grid",
        nargs="*",
        metavar="NAME=VALUES",
        help="what to combine: model=baseline,10-D  seed=0..4  latent_dim=1,2,4 (default: every model once)",
    )
    _add_profile(parser)
    parser.add_argument("--table", type=Path, required=True, metavar="FILE", help="where the table goes (CSV)")
    parser.add_argument(
        "--measure",
        action="store_true",
        help="measure every trained model, half a minute each: one row per run, not one per epoch",
    )
    _add_workers(parser)
    parser.set_defaults(run=_sweep)


def _sweep(given: argparse.Namespace) -> None:
    try:
        configs = configurations(parse_grid(given.grid), given.profile)
    except ValueError as error:
        raise Refusal(str(error)) from error
    sweep(configs, given.table, given.jobs or pipeline.cores(), given.scheduler, measure=given.measure)
    print(given.table)


def add_benchmark(commands) -> None:
    """`benchmark`: the plain recipe against the fast one."""
    parser = commands.add_parser(
        "benchmark",
        help="time to the same loss: the recipe of the keras.io example against this report's",
        description="Train the models by the recipe of the keras.io example and by this report's, time the steps of "
        "both in turns, and print how much sooner the second reaches the first one's loss. Leave the machine alone "
        "while steps are timed. Trainings are kept: a benchmark that was stopped goes on where it was.",
    )
    parser.add_argument(
        "--models", default=",".join(PUBLISHED), metavar="NAMES", help="which models (default: %(default)s)"
    )
    parser.add_argument("--seeds", default="0..2", metavar="LIST", help="such as 0,1 or 0..4 (default: %(default)s)")
    parser.add_argument(
        "--epochs", type=_count, default=30, metavar="N", help="of the plain recipe (default: %(default)s)"
    )
    parser.add_argument(
        "--rounds", type=_count, default=3, metavar="N", help="timings of each step (default: %(default)s)"
    )
    parser.add_argument("--digits", type=_count, metavar="N", help="train on the first N alone, for a trial")
    parser.add_argument(
        "--output",
        type=Path,
        default=paths.REFERENCE / "results",
        metavar="DIR",
        help="where its two tables go (default: report/results)",
    )
    _add_workers(parser)
    parser.set_defaults(run=_benchmark)


def _benchmark(given: argparse.Namespace) -> None:
    try:
        grid = parse_grid([f"model={given.models}", f"seed={given.seeds}"])
        for model in grid["model"]:
            check_choice("model", model, PUBLISHED)
    except ValueError as error:
        raise Refusal(str(error)) from error
    options = (given.epochs, given.rounds, given.digits, given.jobs, given.scheduler, given.output)
    benchmark(grid["model"], grid["seed"], *options)


def add_parameters(commands) -> None:
    """`parameters`: what -p can set."""
    parser = commands.add_parser("parameters", help="list the parameters of every notebook")
    parser.set_defaults(run=_list_parameters)


def _list_parameters(given: argparse.Namespace) -> None:
    for notebook, parameters in pipeline.known_parameters().items():
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
    """Run a command: 0 when it worked, 1 when it failed, 2 when it was refused, 130 when interrupted."""
    given = parser().parse_args(arguments)
    for number in (signal.SIGTERM, signal.SIGHUP):
        if signal.getsignal(number) != signal.SIG_IGN:
            signal.signal(number, _stop)
    try:
        given.run(given)
    except Failure as error:
        print(f"error: {error}", file=sys.stderr)
        return error.status
    except OSError as error:  # a folder that cannot be made, a full disk
        print(f"error: {error}", file=sys.stderr)
        return Failure.status
    except KeyboardInterrupt:
        print("\nStopped. What is finished, to the epoch, is kept: the same command goes on from there.", file=sys.stderr)
        return INTERRUPTED
    return 0


if __name__ == "__main__":
    sys.exit(main())
