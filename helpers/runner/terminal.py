"""What a person sees of a batch run: lines that stay and, on a terminal, a bar below them."""

import json
import sys
import threading
from pathlib import Path
from typing import TextIO

from tqdm import tqdm

BAR = "{n_fmt}/{total_fmt} |{bar:12}| {desc}"
tqdm.set_lock(threading.RLock())  # tqdm's own is one between processes, which nothing here needs


class Terminal:
    """Prints lines; on a terminal also keeps a bar with a status text below them."""

    def __init__(self, stream: TextIO | None = None):
        self.stream = stream or sys.stdout
        self.live = self.stream.isatty()
        self.bar: tqdm | None = None

    def line(self, text: str) -> None:
        """Print a line that stays."""
        tqdm.write(text, file=self.stream)
        self.stream.flush()

    def status(self, text: str, done: int, total: int) -> None:
        """Show how much is done, with a text; nothing where output is not a terminal."""
        if self.live and self.bar is None:
            self.bar = tqdm(file=self.stream, bar_format=BAR, leave=False, dynamic_ncols=True)
        if self.bar is not None:
            self.bar.n, self.bar.total = done, total
            self.bar.set_description_str(text)

    def close(self) -> None:
        """Take the bar away."""
        if self.bar is not None:
            self.bar.close()
        self.bar = None


class Events:
    """The training events that a process appends, as lines of JSON, to its progress file."""

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
