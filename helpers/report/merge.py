"""Executed notebooks become one notebook whose cells remember where they come from."""

from pathlib import Path

import nbformat
from nbformat import NotebookNode

from helpers.report.errors import Problems, ReportError, collect

PARTS = ("abstract", "body", "appendix")
FAILED = "papermill-error-cell-tag"


def read_notebooks(folder: Path) -> dict[str, NotebookNode]:
    """The notebooks of a folder by name, in the order of their names.

    ReportError: there is none, or one is not a notebook.
    """
    files = sorted(Path(folder).glob("*.ipynb"))
    if not files:
        raise ReportError(f"no notebook (*.ipynb) in {folder}")
    return {file.stem: _read(file) for file in files}


def _read(file: Path) -> NotebookNode:
    try:
        return nbformat.read(file, as_version=4)
    except (nbformat.reader.NotJSONError, nbformat.ValidationError, UnicodeDecodeError) as error:
        raise ReportError(f"{file.name}: not a notebook: {error}") from error


def merge(notebooks: dict[str, NotebookNode]) -> NotebookNode:
    """One notebook from executed ones: the abstract, the sections, the appendices.

    Each cell's `metadata.report` gains `notebook`, `cell` (its number there, from 1), `part` (one of
    PARTS) and `shift` (how far its headings move down; an appendix begins at level 2); cell ids start with the notebook's name.
    ReportError: a notebook was not executed, or failed.
    """
    with collect() as problems:
        for name, notebook in notebooks.items():
            _check_executed(name, notebook, problems)
    cells = []
    for name, notebook in notebooks.items():
        cells += _part_cells(name, notebook) if len(notebooks) > 1 else []
        cells += _cells(name, notebook)
    cells.sort(key=lambda cell: PARTS.index(cell.metadata.report.part))
    metadata = NotebookNode(report=_merged_metadata(notebooks), language_info={"name": "python"})
    return nbformat.v4.new_notebook(cells=cells, metadata=metadata)


def _merged_metadata(notebooks: dict[str, NotebookNode]) -> NotebookNode:
    """Title and subtitle of the first notebook that has them, and when the last notebook ended."""
    own = [notebook.metadata.get("report", {}) for notebook in notebooks.values()]
    titles = next((report for report in own if report.get("title")), {})
    ends = [notebook.metadata.get("papermill", {}).get("end_time") for notebook in notebooks.values()]
    texts = {key: titles.get(key, "") for key in ("title", "subtitle")}
    return NotebookNode(
        merged=True, notebooks=list(notebooks), date=max(filter(None, ends), default=""), **texts
    )


def _check_executed(name: str, notebook: NotebookNode, problems: Problems) -> None:
    code = [cell for cell in notebook.cells if cell.cell_type == "code" and cell.source.strip()]
    if code and not any(cell.execution_count for cell in code):
        problems.add(f"{name}.ipynb", "not executed: its code cells have never run")
    for number, cell in enumerate(notebook.cells, start=1):
        for output in cell.get("outputs", []):
            if output.output_type == "error":
                problems.add(f"{name}.ipynb, cell {number}", f"failed: {output.ename}: {output.evalue}")
        if FAILED in cell.metadata.get("tags", []):
            problems.add(f"{name}.ipynb, cell {number}", "papermill marks a failed cell here")


def _cells(name: str, notebook: NotebookNode) -> list[NotebookNode]:
    """The notebook's cells, each with its place."""
    shift = notebook.metadata.get("report", {}).get("level", 1) - 1
    return [_placed(cell, name, number, shift) for number, cell in enumerate(notebook.cells, start=1)]


def _part_cells(name: str, notebook: NotebookNode) -> list[NotebookNode]:
    """The heading (and introduction) of the part that begins with this notebook, as a cell; or none."""
    part = notebook.metadata.get("report", {}).get("part")
    if not part:
        return []
    source = f"# {part['title']}\n\n{part.get('text', '')}".strip()
    cell = nbformat.v4.new_markdown_cell(source, id="part")
    return [_placed(cell, name, 0, part["level"] - 1)]


def _placed(cell: NotebookNode, name: str, number: int, shift: int) -> NotebookNode:
    tags = cell.metadata.get("tags", [])
    part = next((part for part in PARTS if part in tags), "body")
    place = {"notebook": name, "cell": number, "part": part, "shift": 1 if part == "appendix" else shift}
    report = dict(cell.metadata.get("report", {})) | place
    metadata = NotebookNode(cell.metadata | {"report": NotebookNode(report)})
    identity = f"{name}-{cell.get('id', number)}"[:64]
    return NotebookNode(cell | {"metadata": metadata, "id": identity})
