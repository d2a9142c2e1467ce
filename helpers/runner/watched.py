"""Papermill in a process that ends, with its kernel, once the runner closes the pipe to it or dies.

python -m helpers.runner.watched ARGUMENTS, with a pipe from the runner as standard input.
"""

import os
import sys
import threading
from contextlib import suppress
from types import ModuleType

import psutil


def _watch() -> None:
    """Wait for the end of the pipe, which nothing writes to; then end all, this process last.

    A kernel has a session of its own, so that no process group holds it and what it started.
    """
    os.read(0, 1)
    own = psutil.Process()
    for process in [*own.children(recursive=True), own]:
        with suppress(psutil.NoSuchProcess):
            process.kill()


def without_grammar() -> None:
    """Have jsonschema do without its check of IRIs, for which it loads a grammar in three seconds.

    Neither notebooks nor anything else here has IRIs to check. Before anything imports nbformat.
    """
    sys.modules.setdefault("rfc3987_syntax", ModuleType("rfc3987_syntax"))


if __name__ == "__main__":
    without_grammar()
    threading.Thread(target=_watch, daemon=True).start()
    from papermill.cli import papermill

    papermill(sys.argv[1:])
