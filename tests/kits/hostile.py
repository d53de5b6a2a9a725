"""Titles, ids and picture links that try to run something, lead elsewhere, or break the page."""

from __future__ import annotations

from typing import Any

RUNS = "document.documentElement.dataset.broken='yes'"
HOSTILE_TEXTS = (
    f"<script>{RUNS}</script>",
    f'"><img src=x onerror="{RUNS}">',
    f"'><svg onload={RUNS}>",
    f"</select></title></textarea><script>{RUNS}</script>",
    f'<a href="javascript:{RUNS}">free</a>',
    "{{ 7 * 7 }}{% raw %}{{ config }}",
    f'" hx-get="https://evil.example/" hx-trigger="load" x="{RUNS}',
    '<iframe src="https://evil.example/"></iframe><base href="https://evil.example/">',
    "<style>*{display:none}</style><!--",
    "\u202eright to left\u202c \u0007\u001b[31m bell",
    "W" * 3_000,
    "商品标题 🎉👨‍👩‍👧‍👦 Ünïcödé \u0338",
)
HOSTILE_LINKS = (
    f"javascript:{RUNS}",
    "https://evil.example/picture.png",
    "//evil.example/picture.png",
    "../../../../../../etc/passwd",
    "/etc/passwd",
    "data:image/svg+xml,<svg onload=alert(1)>",
    '"><script>alert(1)</script>.png',
    "dataset.toml",
)
HOSTILE_ID = '"><script>document.documentElement.dataset.broken="yes"</script>&id=p00001#/../'


def hostile_catalogue(components: tuple[str, ...]) -> dict[str, Any]:
    """A product of the `jd_card` world whose id, texts and picture links are all hostile, as an API body."""
    elements = [
        {"element_id": f"{HOSTILE_ID}{component}{i}", "product_id": HOSTILE_ID, "component": component, "text": text}
        for component in components
        if component != "image"
        for i, text in enumerate(HOSTILE_TEXTS)
    ]
    elements += [
        {"element_id": f"{HOSTILE_ID}image{i}", "product_id": HOSTILE_ID, "component": "image", "image_uri": link}
        for i, link in enumerate(HOSTILE_LINKS)
    ]
    return {"products": [{"product_id": HOSTILE_ID}], "elements": elements}
