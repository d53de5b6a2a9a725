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


def test_curves_are_listed_by_their_last_value_and_keep_their_colour() -> None:
    low, high = Curve("low", [0, 10], [0.0, 0.1]), Curve("high", [0, 10], [0.0, 0.5], spread=[0.0, 0.05], ours=True)
    drawing = ElementTree.fromstring(curves([("one", [low, high]), ("two", [low])], "views", "value"))
    said = texts(drawing)
    assert said.index("high 0.500") < said.index("low 0.100") and {"views", "one", "two"} <= set(said)
    drawn = [element.get("class") for element in drawing.iter(f"{SVG}polyline")]
    assert drawn == ["c1 thick", "c0", "c0"]
    assert len(list(drawing.iter(f"{SVG}polygon"))) == 1
    assert "high 0.500, low 0.100" in (drawing.get("aria-label") or "")


def test_curves_of_others_have_a_whisker() -> None:
    lines = [Curve(name, [0, 10], [0.0, value], [0.0, 0.1]) for name, value in (("a", 0.2), ("b", 0.4))]
    drawing = ElementTree.fromstring(curves([("one", lines)], "views", "value"))
    assert [line.get("class") for line in drawing.iter(f"{SVG}line")].count("c0") == 2  # and one in the legend


def test_nothing_to_draw_is_an_empty_figure() -> None:
    assert ElementTree.fromstring(bars([], "value")).tag == f"{SVG}svg"
