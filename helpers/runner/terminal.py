"""What a person sees of a batch run: lines that stay, and on a terminal one line that changes."""

import json
import shutil
import sys
from pathlib import Path
from typing import TextIO


def clock(seconds: float) -> str:
    """Seconds as 45 s, 1 min 05 s or 2 h 03 min."""
    minutes, rest = divmod(round(seconds), 60)
    if minutes >= 60:
        return f"{minutes // 60} h {minutes % 60:02d} min"
    return f"{minutes} min {rest:02d} s" if minutes else f"{rest} s"


class Terminal:
    """Prints lines; on a terminal also keeps one status line below them."""

    def __init__(self, stream: TextIO | None = None):
        self.stream = stream or sys.stdout
        self.live = self.stream.isatty()
        self.shown = ""

    def line(self, text: str) -> None:
        """Print a line that stays."""
        self._erase()
        print(text, file=self.stream, flush=True)

    def status(self, text: str) -> None:
        """Replace the status line; nothing where output is not a terminal."""
        text = text[: shutil.get_terminal_size().columns - 1]
        if self.live and text != self.shown:
            self._erase()
            print(text, end="", file=self.stream, flush=True)
            self.shown = text

    def _erase(self) -> None:
        if self.shown:
            print("\r\033[K", end="", file=self.stream)
        self.shown = ""


class Events:
    """The training events that a notebook appends, as lines of JSON, to its progress file."""

    def __init__(self, file: Path):
        self.file, self.read = file, 0

    def new(self) -> list[dict]:
        """The events since the last call; a line that is still being written waits for the next."""
        if not self.file.exists():
            return []
        with self.file.open("rb") as file:
            file.seek(self.read)
            whole = file.read().rpartition(b"\n")[0]
        self.read += len(whole) + 1 if whole else 0
        return [json.loads(line) for line in whole.splitlines()]


def describe(event: dict) -> str:
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
