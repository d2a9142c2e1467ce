"""Tidy tables (CSV) of many runs: written whole or not at all, and read back."""

import csv
import os
from pathlib import Path


def write_table(table: Path, rows: list[dict], columns: list[str] | None = None) -> None:
    """Write rows; what a row lacks stays empty. columns: by default those of the first row."""
    table.parent.mkdir(parents=True, exist_ok=True)
    temporary = table.with_name(f"{table.name}.{os.getpid()}.tmp")
    with temporary.open("w", newline="") as file:
        writer = csv.DictWriter(file, columns or list(rows[0]), lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
    temporary.replace(table)


def read_texts(table: Path) -> list[dict[str, str]]:
    """The rows of a table as they stand; an empty list when there is no table."""
    if not table.exists():
        return []
    with table.open(newline="") as file:
        return list(csv.DictReader(file))


def read_table(table: Path) -> list[dict]:
    """The rows of a table, numbers as numbers; an empty list when there is no table."""
    return [{name: _number(text) for name, text in row.items()} for row in read_texts(table)]


def _number(text: str):
    """Text as int or float where it is one."""
    for kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            continue
    return text
