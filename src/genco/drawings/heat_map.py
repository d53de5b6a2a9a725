"""Pair effects of two slots as a heat map: blue cells help each other, orange ones clash."""

from __future__ import annotations

from markupsafe import Markup

from genco.drawings.pictures import Pictures
from genco.drawings.svg import cells_of, fitted, image, line, rectangle, svg, text
from genco.drawings.words import clean, element_name, signed
from genco.evaluation.element_table import ElementView
from genco.evaluation.interactions import HeatMap

CELL_WIDTH, CELL_HEIGHT, LEFT = 46, 34, 200
COLUMN_CELLS = 22
STRONGEST = 0.6


def heat_map_drawing(found: HeatMap, pictures: Pictures) -> Markup:
    """Rows by columns; a crossed cell is a pair that the rules forbid."""
    largest = max((abs(value) for row in found.effects for value in row if value is not None), default=0.0) or 1.0
    pictured = all(pictures.uri(element) for element in found.columns)
    longest = max(cells_of(fitted(_short(column), COLUMN_CELLS)) for column in found.columns)
    top = 56 if pictured else 16 + longest * 6.5 * 0.67
    slant = 0 if pictured else max(0, longest * 6.5 * 0.74 - CELL_WIDTH / 2)
    width = LEFT + CELL_WIDTH * len(found.columns) + slant
    height = top + CELL_HEIGHT * len(found.rows) + 4
    parts: list[Markup] = []
    for j, column in enumerate(found.columns):
        middle = LEFT + (j + 0.5) * CELL_WIDTH
        uri = pictures.uri(column)
        if pictured and uri:
            parts.append(image(middle - 20, 2, 40, uri))
            parts.append(text(middle, 53, fitted(clean(column.element_id or ""), 8), "tiny", "middle"))
        else:
            parts.append(text(middle, top - 8, fitted(_short(column), COLUMN_CELLS), "label", "start", -42))
    for i, (row, effects) in enumerate(zip(found.rows, found.effects, strict=True)):
        y = top + i * CELL_HEIGHT
        parts += _row_label(row, y, pictures)
        for j, value in enumerate(effects):
            parts += _cell(value, LEFT + j * CELL_WIDTH, y, largest, f"{_short(row)} with {_short(found.columns[j])}")
    label = (
        f"Pair effects of {clean(found.row_slot)} and {clean(found.column_slot)} of product {clean(found.product_id)}, "
        f"from {signed(-largest)} to {signed(largest)} logits; the strongest pairs stand in the tables above"
    )
    return svg(width, height, label, parts, "heat-map", natural=True)


def _row_label(element: ElementView, y: float, pictures: Pictures) -> list[Markup]:
    uri = pictures.uri(element)
    baseline = y + CELL_HEIGHT / 2 + 4
    if uri is None:
        return [text(LEFT - 8, baseline, fitted(_short(element), 32), "label", "end")]
    name = text(LEFT - 42, baseline, fitted(_short(element), 26), "label", "end")
    return [name, image(LEFT - 38, y + 2, CELL_HEIGHT - 4, uri)]


def _cell(value: float | None, x: float, y: float, largest: float, pair: str) -> list[Markup]:
    width, height = CELL_WIDTH - 2, CELL_HEIGHT - 2
    if value is None:
        crossed = line(x + 4, y + height - 4, x + width - 4, y + 4, "grid")
        return [rectangle(x, y, width, height, "none", 1.0, f"{pair}: forbidden by a rule"), crossed]
    colour = "help" if value >= 0 else "hurt"
    drawn = rectangle(x, y, width, height, colour, STRONGEST * abs(value) / largest, f"{pair}: {signed(value, 3)}")
    return [drawn, text(x + width / 2, y + height / 2 + 4, signed(value), "cell", "middle")]


def _short(element: ElementView) -> str:
    return clean(element.text) if element.text else element_name(element)
