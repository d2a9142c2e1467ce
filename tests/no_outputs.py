"""Notebooks are kept without outputs: names those that have some, exit status 1."""

import json
import sys
from pathlib import Path


def faults(file: Path) -> list[str]:
    """What a run has left in a notebook, a sentence for each cell."""
    cells = json.loads(file.read_text(encoding="utf-8"))["cells"]
    return [
        f"{file}: cell {number} has outputs or an execution count"
        for number, cell in enumerate(cells, 1)
        if cell.get("outputs") or cell.get("execution_count") is not None
    ]


if __name__ == "__main__":
    found = [fault for name in sys.argv[1:] for fault in faults(Path(name))]
    print(*found, sep="\n", end="\n" if found else "")
    if found:
        print("Clear them: jupyter nbconvert --clear-output --inplace NOTEBOOK")
    sys.exit(bool(found))
