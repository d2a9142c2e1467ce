"""Executed notebooks become one notebook whose cells remember where they come from."""

import re
from math import inf
from pathlib import Path
from typing import Any

import nbformat
from nbformat import NotebookNode

from helpers.display import cell_options
from helpers.report.errors import Place, Problems, ReportError, collect

PARTS = ("abstract", "body", "appendix")
FAILED = "papermill-error-cell-tag"


def read_notebooks(folder: Path) -> dict[str, NotebookNode]:
    """The notebooks of a folder by name, in the report's order.

    That is by `order` under "report" in their metadata, else by the digits that their names begin
    with; the others come last. ReportError: there is none, or one is not a notebook.
    """
    files = sorted(Path(folder).glob("*.ipynb"))
    if not files:
        raise ReportError(f"no notebook (*.ipynb) in {folder}")
    with collect() as problems:
        found = {file.stem: notebook for file in files if (notebook := _read(file, problems))}
        places = {name: _order(name, notebook, problems) for name, notebook in found.items()}
    return {name: found[name] for name in sorted(found, key=lambda name: (places[name], name))}


def _read(file: Path, problems: Problems) -> NotebookNode | None:
    try:
        notebook = nbformat.read(file, as_version=4)
        nbformat.validate(notebook)
    except (ValueError, KeyError, TypeError, AttributeError, nbformat.ValidationError) as error:
        problems.add(file.name, f"not a notebook: {str(error).partition(chr(10))[0]}")
        return None
    return notebook


def _order(name: str, notebook: NotebookNode, problems: Problems) -> float:
    digits = re.match(r"\d+", name)
    order = _own(notebook).get("order", int(digits[0]) if digits else inf)
    if isinstance(order, int | float):
        return order
    problems.add(f"{name}.ipynb", f"report.order of its metadata is no number: {order!r}")
    return inf


def merge(notebooks: dict[str, NotebookNode]) -> NotebookNode:
    """One notebook from executed ones: the abstract, the sections, the appendices.

    Each cell's `metadata.report` becomes `notebook`, `cell` (its number there, from 1), `line` (its
    first), `part` (one of PARTS), `shift` (how far its headings move down; an appendix begins at
    level 2) and `options` (its `#|` lines, which leave the source); cell ids start with the
    notebook's name. ReportError: a notebook was not executed, or failed; options that are no YAML.
    """
    with collect() as problems:
        for name, notebook in notebooks.items():
            _check_executed(name, notebook, problems)
        cells: list[NotebookNode] = []
        for name, notebook in notebooks.items():
            shift = _own(notebook).get("level", 1) - 1
            cells += _part_cells(name, notebook, problems) if len(notebooks) > 1 else []
            for number, cell in enumerate(notebook.cells, start=1):
                cells.append(_placed(cell, name, number, shift, problems))
    cells.sort(key=lambda cell: PARTS.index(cell.metadata.report.part))
    metadata = NotebookNode(report=_merged_metadata(notebooks), language_info={"name": "python"})
    return nbformat.v4.new_notebook(cells=cells, metadata=metadata)


def _own(notebook: NotebookNode) -> dict:
    """What a notebook's metadata say under "report"."""
    return notebook.metadata.get("report", {})


def _merged_metadata(notebooks: dict[str, NotebookNode]) -> NotebookNode:
    """Title and subtitle of the first notebook that has them, and when the last one ended."""
    books = notebooks.values()
    titles = next((own for own in map(_own, books) if own.get("title")), {})
    ends = [notebook.metadata.get("papermill", {}).get("end_time") for notebook in books]
    texts = {key: titles.get(key, "") for key in ("title", "subtitle")}
    date = max(filter(None, ends), default="")
    return NotebookNode(merged=True, notebooks=list(notebooks), date=date, **texts)


def _check_executed(name: str, notebook: NotebookNode, problems: Problems) -> None:
    code = [cell for cell in notebook.cells if cell.cell_type == "code" and cell.source.strip()]
    if code and not any(cell.execution_count for cell in code):
        problems.add(f"{name}.ipynb", "not executed: its code cells have never run")
    for number, cell in enumerate(notebook.cells, start=1):
        place = f"{name}.ipynb, cell {number}"
        for output in cell.get("outputs", []):
            if output.output_type == "error":
                problems.add(place, f"failed: {output.ename}: {output.evalue}")
        if FAILED in cell.metadata.get("tags", []):
            problems.add(place, "papermill marks a failed cell here")


def _part_cells(name: str, notebook: NotebookNode, problems: Problems) -> list[NotebookNode]:
    """The heading (and introduction) of the part that begins with this notebook, or nothing."""
    part = _own(notebook).get("part")
    if not part:
        return []
    source = f"# {part['title']}\n\n{part.get('text', '')}".strip()
    cell = nbformat.v4.new_markdown_cell(source, id="part")
    return [_placed(cell, name, 0, part["level"] - 1, problems)]


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
    place = {"notebook": name, "cell": number, "line": line}
    report = NotebookNode(part=part, shift=shift, options=NotebookNode(options), **place)
    metadata = NotebookNode(cell.metadata | {"report": report, "tags": tags})
    identity = f"{name}-{cell.get('id', number)}"[:64]
    return NotebookNode(cell | {"metadata": metadata, "source": source, "id": identity})
