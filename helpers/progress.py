"""Progress of one training: a bar on stderr, and events for the runner of a whole report."""

import contextlib
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
    if minutes >= 60:
        return f"{minutes // 60} h {minutes % 60:02d} min"
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


class Progress(contextlib.AbstractContextManager):
    """What `fit_or_load` tells of a training: give it another object with these methods at will.

    Shows a bar that goes when the training ends, and lines where stderr is a file. When
    $HELPERS_PROGRESS names a file, each event is also appended to it as a line of JSON.
    """

    def __init__(self, model: str, epochs: float):
        self.model, self.epochs, self.first_epoch = model, epochs, 0
        self.began = self.shown = time.monotonic()
        self.file, notebook = os.environ.get("HELPERS_PROGRESS"), "ipykernel" in sys.modules
        self.watched = notebook and self.file  # the runner says it all, not the notebook
        self.shows_bar = sys.stderr.isatty() or (notebook and not self.file)
        self.bar = tqdm(disable=True)

    def __exit__(self, *exception: object) -> None:
        self.bar.close()

    def start(self, epoch: int) -> None:
        """Training starts after `epoch` finished epochs."""
        self.first_epoch, self.began = epoch, time.monotonic()
        if self.shows_bar:
            form = "{desc}: epoch {n:.1f}/{total} |{bar:20}| {postfix}"
            self.bar = tqdm(desc=self.model, total=self.epochs, bar_format=form, leave=False)
        self.tell("start", epoch)

    def step(self, epoch: int, share: float, logs: Mapping[str, Any]) -> None:
        """A share of the epoch after `epoch` finished ones is done; drawn a few times a second."""
        if not self.bar.disable and time.monotonic() - self.shown > SECONDS_BETWEEN:
            self.shown, self.bar.n = time.monotonic(), epoch + share
            left = clock(self._left(epoch + share))
            self.bar.set_postfix_str(f"loss {float(logs['loss']):.2f}, {left} left")

    def epoch(self, epoch: float, loss: float) -> None:
        """`epoch` epochs are finished, the last one perhaps cut short."""
        epoch = min(epoch, self.epochs)
        event = "done" if epoch == self.epochs else "epoch"
        self.tell(event, epoch, loss=float(loss), seconds_left=self._left(epoch))

    def tell(self, event: str, epoch: float = 0, **more: float) -> None:
        """Say an event in a line where no bar does; append it to the runner's file.

        "cached": the model was trained before; "waiting": another process is training it.
        """
        line = {"model": self.model, "event": event, "epoch": epoch, "epochs": self.epochs} | more
        if self.file:
            with open(self.file, "a") as events:
                events.write(json.dumps(line) + "\n")
        if not self.watched and (event in ("cached", "waiting") or not self.shows_bar):
            print(describe(line), file=sys.stderr, flush=True)

    def _left(self, done: float) -> float:
        pace = (time.monotonic() - self.began) / max(done - self.first_epoch, 1e-9)
        return pace * (self.epochs - done)
