"""What a person sees of a batch run: lines that stay and, on a terminal, a bar below them."""

import json
import sys
import threading
from collections.abc import Collection
from pathlib import Path
from typing import TextIO

from tqdm import tqdm

from helpers.progress import describe

BAR = "{n_fmt}/{total_fmt} |{bar:12}| {desc}"


class Events:
    """The training events that a process appends, as lines of JSON, to its progress file.

    title: what people call a model, in which {model} is its own name; idle: what is shown of the
    process between two epochs of no training.
    """

    def __init__(self, file: Path, title: str, idle: str = ""):
        self.file, self.title, self.idle, self.shown, self.read = file, title, idle, idle, 0

    def new(self) -> list[tuple[str, str]]:
        """The events since the last call: kind and words. A line still being written waits."""
        lines = self.file.read_bytes().split(b"\n")[self.read : -1] if self.file.exists() else []
        self.read += len(lines)
        found = []
        for event in map(json.loads, lines):
            title = self.title.replace("{model}", event["model"])
            found.append((event["event"], describe(event | {"model": title})))
            self.shown = found[-1][1] if event["event"] == "epoch" else self.idle
        return found


class Terminal:
    """Prints lines; on a terminal also keeps a bar with a status text below them."""

    def __init__(self, stream: TextIO | None = None):
        self.stream = stream or sys.stdout
        self.live = self.stream.isatty()
        self.bar: tqdm | None = None
        tqdm.set_lock(threading.RLock())  # its own is one between processes, which none here needs

    def line(self, text: str) -> None:
        """Print a line that stays."""
        tqdm.write(text, file=self.stream)
        self.stream.flush()

    def follow(self, running: Collection[Events], said: str, done: int, total: int) -> None:
        """Print what is new of those that run, if of a kind that is `said`; show how much is done.

        The bar is drawn on a terminal alone; beside it are the epochs of those that run.
        """
        for one in running:
            for kind, text in one.new():
                if kind in said.split():
                    self.line(text)
        if self.live and self.bar is None:
            self.bar = tqdm(file=self.stream, bar_format=BAR, leave=False, dynamic_ncols=True)
        if self.bar is not None:
            self.bar.n, self.bar.total = done, total
            self.bar.set_description_str(" | ".join(one.shown for one in running if one.shown))

    def close(self) -> None:
        """Take the bar away."""
        if self.bar is not None:
            self.bar.close()
        self.bar = None
