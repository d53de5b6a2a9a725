"""Draws the small product pictures of `jd_card`. Needs Pillow, which is imported only when a picture is drawn."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

from genco.errors import ConfigError
from genco.simulator.jd_card_words import BACKDROPS, CATEGORIES, COLOURS

if TYPE_CHECKING:
    from PIL import ImageDraw

SIZE = 96
Box = tuple[float, float, float, float]
Colour = tuple[int, int, int]

# Boxes of the product inside the picture, as shares of its side.
_PLACES: dict[str, tuple[Box, ...]] = {
    "centred": ((0.25, 0.22, 0.75, 0.78),),
    "close-up": ((0.08, 0.06, 0.92, 0.94),),
    "pair": ((0.08, 0.28, 0.48, 0.74), (0.52, 0.28, 0.92, 0.74)),
    "tilted": ((0.22, 0.14, 0.72, 0.64), (0.34, 0.40, 0.82, 0.88)),
    "low corner": ((0.46, 0.44, 0.94, 0.92),),
}


def picture(category: str, colour: str, backdrop: str, layout: str) -> bytes:
    """A PNG of `SIZE` x `SIZE` showing a product of the category. Raises `ConfigError` where Pillow is missing."""
    try:
        from PIL import Image, ImageDraw
    except ImportError as error:
        raise ConfigError(
            "Scenario 'jd_card' draws pictures and needs Pillow. Install it: pip install pillow"
        ) from error
    image = Image.new("RGB", (SIZE, SIZE), BACKDROPS[backdrop])
    draw = ImageDraw.Draw(image)
    draw.rectangle((0, int(SIZE * 0.8), SIZE, SIZE), fill=_shade(BACKDROPS[backdrop], 0.88))
    for left, top, right, bottom in _PLACES[layout]:
        _draw_product(draw, CATEGORIES.index(category), COLOURS[colour], (left, top, right, bottom))
    content = io.BytesIO()
    image.save(content, format="PNG", compress_level=6)
    return content.getvalue()


def _draw_product(draw: ImageDraw.ImageDraw, kind: int, colour: Colour, box: Box) -> None:
    """A body and one or two parts; which ones tell the categories apart."""
    dark, light = _shade(colour, 0.7), _shade(colour, 1.25)
    bodies: tuple[tuple[str, Box], ...] = (
        ("round", (0.1, 0.15, 0.9, 1.0)),
        ("ellipse", (0.1, 0.25, 0.8, 1.0)),
        ("arc", (0.1, 0.05, 0.9, 0.95)),
        ("triangle", (0.15, 0.0, 0.85, 0.5)),
        ("ellipse", (0.0, 0.5, 1.0, 0.9)),
        ("round", (0.3, 0.15, 0.7, 1.0)),
        ("round", (0.0, 0.45, 1.0, 0.9)),
        ("round", (0.05, 0.25, 0.95, 0.85)),
        ("rectangle", (0.05, 0.2, 0.95, 0.9)),
        ("round", (0.15, 0.2, 0.85, 0.95)),
    )
    parts: tuple[tuple[str, Box], ...] = (
        ("round", (0.25, 0.5, 0.75, 0.85)),
        ("ellipse", (0.7, 0.35, 1.0, 0.6)),
        ("ellipse", (0.0, 0.5, 0.25, 0.95)),
        ("rectangle", (0.46, 0.5, 0.54, 1.0)),
        ("round", (0.05, 0.8, 0.95, 0.95)),
        ("rectangle", (0.38, 0.0, 0.62, 0.15)),
        ("round", (0.1, 0.15, 0.9, 0.5)),
        ("ellipse", (0.3, 0.32, 0.7, 0.78)),
        ("rectangle", (0.05, 0.45, 0.95, 0.55)),
        ("rectangle", (0.4, 0.0, 0.6, 0.2)),
    )
    _shape(draw, *bodies[kind], box, colour, dark)
    _shape(draw, *parts[kind], box, light, dark)


def _shape(draw: ImageDraw.ImageDraw, name: str, part: Box, box: Box, fill: Colour, outline: Colour) -> None:
    left, top, right, bottom = box
    width, height = right - left, bottom - top
    x0, y0 = SIZE * (left + part[0] * width), SIZE * (top + part[1] * height)
    x1, y1 = SIZE * (left + part[2] * width), SIZE * (top + part[3] * height)
    if name == "ellipse":
        draw.ellipse((x0, y0, x1, y1), fill=fill, outline=outline)
    elif name == "round":
        draw.rounded_rectangle((x0, y0, x1, y1), radius=(x1 - x0) / 6, fill=fill, outline=outline)
    elif name == "arc":
        draw.arc((x0, y0, x1, y1), start=180, end=360, fill=fill, width=max(2, int((x1 - x0) / 10)))
    elif name == "triangle":
        draw.polygon([((x0 + x1) / 2, y0), (x0, y1), (x1, y1)], fill=fill, outline=outline)
    else:
        draw.rectangle((x0, y0, x1, y1), fill=fill, outline=outline)


def _shade(colour: Colour, factor: float) -> Colour:
    red, green, blue = (min(255, int(channel * factor)) for channel in colour)
    return red, green, blue
