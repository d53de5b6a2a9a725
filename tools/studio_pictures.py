"""Photographs the pages of the demo: python tools/studio_pictures.py docs/images [--folder FOLDER] [--seconds 90]

Starts `genco studio --demo` on a free port, lets it learn for a while, and writes studio-*.png. Needs Chromium.
"""

from __future__ import annotations

import argparse
import re
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlencode

from PIL import Image
from playwright.sync_api import sync_playwright

if TYPE_CHECKING:
    from playwright.sync_api import Page

BROWSERS = ("chromium", "chromium-browser", "google-chrome")
WIDTH = 1280
TIMEOUT_MS = 180_000  # the values of the policy page take a while on a busy machine
MAX_BYTES = 250_000
LINK = re.compile(r"http://\S+link=\S+")
# name: (path, height, theme, width); the product is the one with most traffic
PAGES = {
    "studio-overview": ("/studio/", 1000, "light", WIDTH),
    "studio-overview-dark": ("/studio/", 1000, "dark", WIDTH),
    "studio-products": ("/studio/products", 900, "light", WIDTH),
    "studio-product": ("/studio/product?id={product}", 1250, "light", WIDTH),
    "studio-product-phone": ("/studio/product?id={product}", 1400, "light", 390),
    "studio-elements": ("/studio/elements", 900, "light", WIDTH),
    "studio-interactions": ("/studio/interactions?product={product}", 1100, "light", WIDTH),
    "studio-combinations": ("/studio/combinations?product={product}", 900, "light", WIDTH),
    "studio-policy": ("/studio/policy?rows=500", 800, "light", WIDTH),
    "studio-models": ("/studio/models", 900, "light", WIDTH),
    "studio-controls": ("/studio/controls?product={product}", 900, "light", WIDTH),
    "studio-several": ("/studio/controls/several?action=hold&{elements}", 900, "light", WIDTH),
    "studio-people": ("/studio/people", 800, "light", WIDTH),
    "studio-audit": ("/studio/audit", 700, "light", WIDTH),
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("out", type=Path)
    parser.add_argument("--folder", type=Path, help="of an earlier demo; a new one is made where it is left out")
    parser.add_argument("--seconds", type=float, default=90.0, help="how long the demo learns before")
    given = parser.parse_args()
    given.out.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as temporary:
        photograph(given.folder or Path(temporary), given.out, given.seconds)


def photograph(folder: Path, out: Path, seconds: float) -> None:
    """Run the demo in `folder` and write one picture a page."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [Path(sys.executable).with_name("genco"), "studio", "--demo", "--port", port, "--folder", folder]
    with subprocess.Popen([str(part) for part in command], stderr=subprocess.PIPE, text=True) as demo:
        try:
            assert demo.stderr is not None
            link = next(found.group() for line in demo.stderr if (found := LINK.search(line)))
            time.sleep(seconds)
            take(link, out)
        finally:
            demo.terminate()


def take(link: str, out: Path) -> None:
    browser = next((found for name in BROWSERS if (found := shutil.which(name))), None)
    if browser is None:
        raise SystemExit(f"Chromium is needed on the PATH, as one of {', '.join(BROWSERS)}. Found none.")
    with sync_playwright() as playwright:
        page = playwright.chromium.launch(executable_path=browser, args=["--no-sandbox", "--disable-gpu"]).new_page()
        page.set_default_timeout(TIMEOUT_MS)
        page.goto(link)
        base = link.split("/studio/")[0]
        product = page.request.get(f"{base}/studio/products.json").json()["rows"][0]["product_id"]
        titles = page.request.get(f"{base}/studio/elements.json?component=title").json()["rows"][:3]
        elements = urlencode([("element", row["element"]["element_id"]) for row in titles])
        for name, (path, height, theme, width) in PAGES.items():
            page.emulate_media(color_scheme="dark" if theme == "dark" else "light")
            page.set_viewport_size({"width": width, "height": height})
            page.goto(base + path.format(product=product, elements=elements))
            page.wait_for_load_state("networkidle")
            save(page, out / f"{name}.png")


def save(page: Page, out: Path) -> None:
    """In at most 256 colours and `MAX_BYTES`."""
    with tempfile.TemporaryDirectory() as temporary:
        whole = Path(temporary) / "page.png"
        page.screenshot(path=whole)
        Image.open(whole).convert("RGB").quantize(256, dither=Image.Dither.NONE).save(out, optimize=True)
    size = out.stat().st_size
    if size > MAX_BYTES:
        raise SystemExit(f"A picture should have at most {MAX_BYTES:,} bytes. Found {size:,} in {out}.")
    print(f"{out}: {size:,} bytes")


if __name__ == "__main__":
    main()
