"""Executed notebooks become one notebook whose cells remember where they come from."""

import re
from math import inf
from pathlib import Path
from typing import Any

import nbformat
from nbformat import NotebookNode, ValidationError

from helpers.display import cell_options
from helpers.report.errors import Place, Problems, ReportError, collect

PARTS = ("abstract", "body", "appendix")


def read_notebooks(folder: Path) -> dict[str, NotebookNode]:
    """The notebooks of a folder by name, in the report's order.

    That is by `order` under "report" in their metadata, else by the digits that their names begin
    with; the others come last. ReportError: there is none, or one is not a notebook.
    """
    files = sorted(Path(folder).glob("*.ipynb"))
    found: dict[str, NotebookNode] = {}
    places: dict[str, float] = {}
    if not files:
        raise ReportError(f"no notebook (*.ipynb) in {folder}")
    with collect() as problems:
        for file in files:
            try:
                notebook = nbformat.read(file, as_version=4)
                nbformat.validate(notebook)
            except (ValueError, KeyError, TypeError, AttributeError, ValidationError) as error:
                problems.add(file.name, f"not a notebook: {str(error).partition(chr(10))[0]}")
                continue
            digits = re.match(r"\d+", file.stem)
            order = _own(notebook).get("order", int(digits[0]) if digits else inf)
            if not isinstance(order, int | float):
                problems.add(file.name, f"report.order of its metadata is no number: {order!r}")
            found[file.stem], places[file.stem] = notebook, order
    return {name: found[name] for name in sorted(found, key=lambda name: (places[name], name))}


def merge(notebooks: dict[str, NotebookNode]) -> NotebookNode:
    """One notebook from executed ones: the abstract, the sections, the appendices.

    Each cell's `metadata.report` becomes `notebook`, `cell` (its number there, from 1), `line` (its
    first), `part` (one of PARTS), `shift` (how far its headings move down; an appendix begins at
    level 2) and `options` (its `#|` lines, which leave the source); cell ids start with the
    notebook's name. ReportError: a notebook was not executed, or failed; options that are no YAML.
    """
    cells: list[NotebookNode] = []
    with collect() as problems:
        for name, notebook in notebooks.items():
            _check_executed(name, notebook, problems)
        for name, notebook in notebooks.items():
            part = _own(notebook).get("part")
            if part and len(notebooks) > 1:  # begins with this notebook
                source = f"# {part['title']}\n\n{part.get('text', '')}".strip()
                cell = nbformat.v4.new_markdown_cell(source, id="part")
                cells.append(_placed(cell, name, 0, part["level"] - 1, problems))
            shift = _own(notebook).get("level", 1) - 1
            for number, cell in enumerate(notebook.cells, start=1):
                cells.append(_placed(cell, name, number, shift, problems))
    cells.sort(key=lambda cell: PARTS.index(cell.metadata.report.part))
    books = notebooks.values()
    titles = next((own for own in map(_own, books) if own.get("title")), {})
    ends = [notebook.metadata.get("papermill", {}).get("end_time") for notebook in books]
    texts = {key: titles.get(key, "") for key in ("title", "subtitle")}
    texts["date"] = max(filter(None, ends), default="")
    report = NotebookNode(merged=True, notebooks=list(notebooks), **texts)
    metadata = NotebookNode(report=report, language_info={"name": "python"})
    return nbformat.v4.new_notebook(cells=cells, metadata=metadata)


def _own(notebook: NotebookNode) -> dict:
    """What a notebook's metadata say under "report"."""
    return notebook.metadata.get("report", {})


def _check_executed(name: str, notebook: NotebookNode, problems: Problems) -> None:
    code = [cell for cell in notebook.cells if cell.cell_type == "code" and cell.source.strip()]
    if code and not any(cell.execution_count for cell in code):
        problems.add(f"{name}.ipynb", "not executed: its code cells have never run")
    for number, cell in enumerate(notebook.cells, start=1):
        place = f"{name}.ipynb, cell {number}"
        for output in cell.get("outputs", []):
            if output.output_type == "error":
                problems.add(place, f"failed: {output.ename}: {output.evalue}")
        if "papermill-error-cell-tag" in cell.metadata.get("tags", []):
            problems.add(place, "papermill marks a failed cell here")


def _placed(
    cell: NotebookNode, name: str, number: int, shift: int, problems: Problems
) -> NotebookNode:
    """A cell with its place, its options and, without these, its source."""
    options: dict[str, Any] = {}
    source, line = cell.source, next(iter(cell.source.strip().splitlines()), "")
    if cell.cell_type == "code":
        try:
            options, source = cell_options(source)
        except ValueError as error:
            problems.add(Place(name, number, line), " ".join(str(error).split()))
    tags = options.get("tags") or []
    tags = [*cell.metadata.get("tags", []), *([tags] if isinstance(tags, str) else tags)]
    part = next((part for part in PARTS if part in tags), "body")
    shift = 1 if part == "appendix" else shift
    place = {"notebook": name, "cell": number, "line": line, "part": part, "shift": shift}
    report = NotebookNode(place, options=NotebookNode(options))
    metadata = NotebookNode(cell.metadata | {"report": report, "tags": tags})
    identity = f"{name}-{cell.get('id', number)}"[:64]
    return NotebookNode(cell | {"metadata": metadata, "source": source, "id": identity})
