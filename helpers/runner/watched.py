"""Papermill in a process that ends, with its kernel, as soon as the runner that started it is gone.

python -m helpers.runner.watched ARGUMENTS, with a pipe from the runner as standard input.
"""

import os
import sys
import threading
from collections.abc import Callable
from contextlib import suppress

import psutil


def family(pid: int) -> list[psutil.Process]:
    """A process and its descendants: a kernel has a session of its own, so no group holds all."""
    try:
        process = psutil.Process(pid)
        return [*process.children(recursive=True), process]
    except psutil.NoSuchProcess:
        return []


def send(order: Callable[[], None]) -> None:
    """Signal a process that may have ended by itself."""
    with suppress(psutil.NoSuchProcess):
        order()


def _watch() -> None:
    """Wait for the end of the pipe, which nothing writes to; then end all, this process last."""
    os.read(0, 1)
    for process in family(os.getpid()):
        send(process.kill)


if __name__ == "__main__":
    from papermill.cli import papermill

    threading.Thread(target=_watch, daemon=True).start()
    papermill(sys.argv[1:])
