"""Progress of one training: in a notebook, in a terminal, and for the runner of a whole report."""

import json
import os
import sys
import time

from helpers.runner.terminal import clock, describe

SECONDS_BETWEEN = 0.5


def _in_notebook() -> bool:
    """Whether an IPython kernel shows what is displayed."""
    shell = sys.modules["IPython"].get_ipython() if "IPython" in sys.modules else None
    return shell is not None and hasattr(shell, "kernel")


class Progress:
    """One line about a training: model, epoch, loss, time left.

    In a notebook the line is a display of kind "progress", which the report leaves out; in a
    terminal it goes to stderr. When $HELPERS_PROGRESS names a file, each event is also appended to
    it as a line of JSON. Used as a context manager, it finishes its line.
    """

    def __init__(self, model: str, epochs: int):
        self.model, self.epochs = model, epochs
        self.file = os.environ.get("HELPERS_PROGRESS")
        self.handle, self.notebook, self.shown = None, _in_notebook(), 0.0
        self.first_epoch, self.began = 0, time.monotonic()

    def __enter__(self):
        return self

    def __exit__(self, *exception):
        if not self.notebook and sys.stderr.isatty():
            print(file=sys.stderr)

    def start(self, epoch: int) -> None:
        """Training starts after `epoch` finished epochs."""
        self.first_epoch, self.began = epoch, time.monotonic()
        self._tell("start", epoch)

    def step(self, epoch: int, share: float, logs: dict) -> None:
        """A share of the epoch after `epoch` finished ones is done; drawn a few times a second."""
        if time.monotonic() - self.shown > SECONDS_BETWEEN:
            left = self._left(epoch + share)
            loss = float(logs["loss"])
            self._line(
                f"{self.model}: epoch {epoch + 1}/{self.epochs} ({share:.0%}), "
                f"loss {loss:.2f}, {clock(left)} left",
                passing=True,
            )

    def epoch(self, epoch: int, loss: float) -> None:
        """`epoch` epochs are finished."""
        event = "done" if epoch == self.epochs else "epoch"
        self._tell(event, epoch, loss=float(loss), seconds_left=self._left(epoch))

    def cached(self) -> None:
        """The model was trained before."""
        self._tell("cached", self.epochs)

    def waiting(self) -> None:
        """Another process is training the same model."""
        self._tell("waiting", 0)

    def _left(self, done: float) -> float:
        """Seconds left, from the pace since the start."""
        pace = (time.monotonic() - self.began) / max(done - self.first_epoch, 1e-9)
        return pace * (self.epochs - done)

    def _tell(self, event: str, epoch: int, **more) -> None:
        """Show an event; append it, as a line of JSON, to the runner's file."""
        line = {"model": self.model, "event": event, "epoch": epoch, "epochs": self.epochs} | more
        if self.file:
            with open(self.file, "a") as file:
                file.write(json.dumps(line) + "\n")
        self._line(describe(line))

    def _line(self, text: str, passing: bool = False) -> None:
        """Show the text in place of the last one; a log file gets no passing text."""
        self.shown = time.monotonic()
        if self.notebook:
            self._display(text)
        elif sys.stderr.isatty():
            print(f"\r\033[K{text}", end="", file=sys.stderr, flush=True)
        elif not passing:
            print(text, file=sys.stderr, flush=True)

    def _display(self, text: str) -> None:
        """Show the text in the notebook, in place of the last one."""
        from IPython.display import display

        bundle, metadata = {"text/plain": text}, {"report": {"kind": "progress"}}
        if self.handle is None:
            self.handle = display(bundle, raw=True, metadata=metadata, display_id=True)
        else:
            self.handle.update(bundle, raw=True, metadata=metadata)
