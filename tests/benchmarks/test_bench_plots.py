from __future__ import annotations

from xml.etree import ElementTree

from genco.benchmarks.bench_plots import Bar, Curve, bars, curves

SVG = "{http://www.w3.org/2000/svg}"


def texts(drawing: ElementTree.Element) -> list[str]:
    return [element.text or "" for element in drawing.iter(f"{SVG}text")]


def test_bars_stand_on_one_scale_with_figures_beside_them() -> None:
    groups = [("sparse", [Bar("ours & more", 0.8, 0.1, ours=True), Bar("peer", -0.1)]), ("wide", [Bar("peer", 0.4)])]
    drawing = ElementTree.fromstring(bars(groups, "value"))
    drawn = {rect.get("class"): float(rect.get("width", 0)) for rect in drawing.iter(f"{SVG}rect")}
    assert abs(drawn["ours"] - 2 * drawn["peer"]) < 0.11  # the last peer is at half of ours
    assert {"sparse", "wide", "ours & more", "0.800 ± 0.100", "-0.100", "value"} <= set(texts(drawing))
    assert len([line for line in drawing.iter(f"{SVG}line") if line.get("class") == "error"]) == 3


def test_curves_are_listed_by_their_last_value() -> None:
    lines = [Curve("low", [0, 10], [0.0, 0.1]), Curve("high", [0, 10], [0.0, 0.5], spread=0.05)]
    drawing = ElementTree.fromstring(curves(lines, "title", "views", "value"))
    said = texts(drawing)
    assert said.index("high 0.5") < said.index("low 0.1") and "views" in said
    assert len(list(drawing.iter(f"{SVG}polyline"))) == 2
    assert "high 0.5, low 0.1" in (drawing.get("aria-label") or "")


def test_nothing_to_draw_is_an_empty_figure() -> None:
    assert ElementTree.fromstring(bars([], "value")).tag == f"{SVG}svg"
