"""Progress of one training: a bar on stderr, and events for the runner of a whole report."""

import json
import os
import sys
import time
from collections.abc import Mapping
from typing import Any

from tqdm.std import tqdm

SECONDS_BETWEEN = 0.5  # drawings of a bar


def clock(seconds: float) -> str:
    """Seconds as 45 s, 1 min 05 s or 2 h 03 min."""
    minutes, rest = divmod(round(seconds), 60)
    hours, left = divmod(minutes, 60)
    if hours:
        return f"{hours} h {left:02d} min"
    return f"{minutes} min {rest:02d} s" if minutes else f"{rest} s"


def describe(event: dict[str, Any]) -> str:
    """A training event in words."""
    model, epochs = event["model"], event["epochs"]
    match event["event"]:
        case "start":
            resumed = f", resumed after epoch {event['epoch']}" if event.get("epoch") else ""
            return f"{model}: training for {epochs} epoch{'s' * (epochs != 1)}{resumed}"
        case "cached":
            return f"{model}: trained before, taken from the cache"
        case "waiting":
            return f"{model}: another process is training it; waiting"
    left = "trained" if event["event"] == "done" else f"{clock(event['seconds_left'])} left"
    return f"{model}: epoch {event['epoch']}/{epochs}, loss {event['loss']:.2f}, {left}"


def _shows_bars() -> bool:
    """Whether stderr is a terminal, or a notebook that nobody's runner watches."""
    notebook = "ipykernel" in sys.modules and "HELPERS_PROGRESS" not in os.environ
    return notebook or sys.stderr.isatty()


class Progress:
    """What `fit_or_load` tells of a training: give it another object with these methods at will.

    Shows a bar that goes when the training ends, and lines where stderr is a file. When
    $HELPERS_PROGRESS names a file, each event is also appended to it as a line of JSON.
    """

    def __init__(self, model: str, epochs: float):
        self.model, self.epochs, self.shown = model, epochs, 0.0
        self.first_epoch, self.began = 0, time.monotonic()
        self.bar: tqdm | None = None

    def __enter__(self) -> "Progress":
        return self

    def __exit__(self, *exception: object) -> None:
        if self.bar is not None:
            self.bar.close()

    def start(self, epoch: int) -> None:
        """Training starts after `epoch` finished epochs."""
        self.first_epoch, self.began = epoch, time.monotonic()
        if _shows_bars():
            form = "{desc}: epoch {n:.1f}/{total} |{bar:20}| {postfix}"
            self.bar = tqdm(desc=self.model, total=self.epochs, bar_format=form, leave=False)
        self._tell("start", epoch)

    def step(self, epoch: int, share: float, logs: Mapping[str, Any]) -> None:
        """A share of the epoch after `epoch` finished ones is done; drawn a few times a second."""
        if self.bar is not None and time.monotonic() - self.shown > SECONDS_BETWEEN:
            self._draw(self.bar, epoch + share, float(logs["loss"]))

    def epoch(self, epoch: float, loss: float) -> None:
        """`epoch` epochs are finished, the last one perhaps cut short."""
        epoch = min(epoch, self.epochs)
        event = "done" if epoch == self.epochs else "epoch"
        self._tell(event, epoch, loss=float(loss), seconds_left=self._left(epoch))
        if self.bar is not None:
            self._draw(self.bar, epoch, loss)

    def cached(self) -> None:
        """The model was trained before."""
        self._tell("cached", self.epochs)

    def waiting(self) -> None:
        """Another process is training the same model."""
        self._tell("waiting", 0)

    def _draw(self, bar: tqdm, done: float, loss: float) -> None:
        self.shown, bar.n = time.monotonic(), done
        bar.set_postfix_str(f"loss {loss:.2f}, {clock(self._left(done))} left")

    def _left(self, done: float) -> float:
        pace = (time.monotonic() - self.began) / max(done - self.first_epoch, 1e-9)
        return pace * (self.epochs - done)

    def _tell(self, event: str, epoch: float, **more: float) -> None:
        """Say an event in a line where no bar does; append it to the runner's file."""
        line = {"model": self.model, "event": event, "epoch": epoch, "epochs": self.epochs} | more
        if file := os.environ.get("HELPERS_PROGRESS"):
            with open(file, "a") as events:
                events.write(json.dumps(line) + "\n")
        watched = "ipykernel" in sys.modules and file  # the runner says it, not the notebook
        if not watched and (event in ("cached", "waiting") or not _shows_bars()):
            print(describe(line), file=sys.stderr, flush=True)
