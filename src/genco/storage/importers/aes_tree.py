"""The constraint file of the AES tables: which pairs of values of two parts of a composited creative are legal.

    a, 1, 2          a header: part, values of its parent, values of the part
    1 1              one row per value of the parent, 1 = legal, 0 = not
    c, 2, 8
    1 1 1 1 0 0 0 0
    0 0 0 0 1 1 1 1
    d, 8, 5
    ...

Parts are letters in the order of the table's columns after `template`: a background, b size, c colour, d font. Parts
are listed parent before child, a whole branch at a time; the file does not name the parent, which is the nearest part
above, going back up the branch, with as many values as the matrix has rows. The root is the template.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from genco.errors import DataError

TEMPLATE = -1


@dataclass(frozen=True)
class TreeEdge:
    """Legal pairs of a parent and a child: part numbers (`TEMPLATE` for the root), bool [parent value, child value]."""

    parent: int
    child: int
    legal: NDArray[np.bool_]


def read_tree(path: Path, num_templates: int, num_parts: int) -> tuple[TreeEdge, ...]:
    """Return the edges in the order of the file. Raises `DataError` naming line and value."""
    try:
        lines = path.read_text(encoding="utf-8-sig").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"{path}: cannot be read as text. {error}") from error
    edges: list[TreeEdge] = []
    branch = [(TEMPLATE, num_templates)]
    line = 0
    while line < len(lines):
        if not lines[line].strip():
            line += 1
            continue
        child, rows, columns = _header(path, line, lines[line], num_parts)
        if any(edge.child == child for edge in edges):
            raise DataError(f"{path}, line {line + 1}: every part is listed once. Found {lines[line]!r} again.")
        legal = _matrix(path, line, lines, rows, columns)
        while branch and branch[-1][1] != rows:
            branch.pop()
        if not branch:
            rule = f"a part above with {rows} values is expected ({num_templates} is the table's number of templates)"
            raise DataError(f"{path}, line {line + 1}: {rule}. Found none.")
        edges.append(TreeEdge(branch[-1][0], child, legal))
        branch.append((child, columns))
        line += 1 + rows
    if len(edges) != num_parts:
        raise DataError(f"{path}: one matrix for each of {num_parts} parts is expected. Found {len(edges)}.")
    return tuple(edges)


def legal_combinations(edges: tuple[TreeEdge, ...], template: int) -> NDArray[np.int64]:
    """Return every legal combination of part values under the template, [combination, part], ascending."""
    sizes = dict(sorted((edge.child, edge.legal.shape[1]) for edge in edges))
    grid = np.stack(np.meshgrid(*(np.arange(size) for size in sizes.values()), indexing="ij"), axis=-1)
    grid = grid.reshape(-1, len(sizes))
    keep = np.ones(len(grid), dtype=bool)
    for edge in edges:
        parent = template if edge.parent == TEMPLATE else grid[:, edge.parent]
        keep &= edge.legal[parent, grid[:, edge.child]]
    return grid[keep]


def _header(path: Path, line: int, text: str, num_parts: int) -> tuple[int, int, int]:
    fields = [field.strip() for field in text.split(",")]
    letters = [chr(ord("a") + part) for part in range(num_parts)]
    if len(fields) == 3 and fields[0] in letters and all(map(_is_count, fields[1:])):
        return letters.index(fields[0]), int(fields[1]), int(fields[2])
    rule = f"a header `part, values of its parent, values of the part` is expected, part {letters[0]} to {letters[-1]}"
    raise DataError(f"{path}, line {line + 1}: {rule}. Found {text!r}.")


def _is_count(text: str) -> bool:
    return text.isascii() and text.isdigit()


def _matrix(path: Path, header: int, lines: list[str], rows: int, columns: int) -> NDArray[np.bool_]:
    matrix: list[list[bool]] = []
    for row in range(rows):
        line = header + 1 + row
        found = lines[line] if line < len(lines) else "the end of the file"
        values = found.split()
        if len(values) != columns or not set(values) <= {"0", "1"}:
            raise DataError(f"{path}, line {line + 1}: {columns} values 0 or 1 are expected. Found {found!r}.")
        matrix.append([value == "1" for value in values])
    return np.array(matrix, dtype=bool).reshape(rows, columns)
