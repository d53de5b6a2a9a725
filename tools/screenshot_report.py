"""Photographs the top of a report: python tools/screenshot_report.py report.html docs/images/report.png

Needs Chromium on the PATH (as chromium, chromium-browser or google-chrome). Nothing is fetched: the page is one file.
"""

from __future__ import annotations

import argparse
import shutil
import subprocess
import tempfile
from pathlib import Path

from PIL import Image

BROWSERS = ("chromium", "chromium-browser", "google-chrome")
WIDTH, HEIGHT = 1280, 1375
MAX_BYTES = 400_000


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("report", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--width", type=int, default=WIDTH)
    parser.add_argument("--height", type=int, default=HEIGHT)
    parser.add_argument("--dark", action="store_true", help="as a browser with a dark colour scheme shows it")
    given = parser.parse_args()
    photograph(given.report, given.out, given.width, given.height, given.dark)
    print(f"{given.out}: {given.out.stat().st_size:,} bytes")


def photograph(report: Path, out: Path, width: int, height: int, dark: bool = False) -> None:
    """Write a PNG of the top `width` x `height` pixels, in at most 256 colours and `MAX_BYTES`."""
    browser = next((found for name in BROWSERS if (found := shutil.which(name))), None)
    if browser is None:
        raise SystemExit(f"Chromium is needed on the PATH, as one of {', '.join(BROWSERS)}. Found none.")
    if not report.is_file():
        raise SystemExit(f"A report is needed, as `genco report` writes it. Found no file {str(report)!r}.")
    with tempfile.TemporaryDirectory() as profile:
        picture = Path(profile) / "page.png"
        command = [
            browser,
            "--headless",
            "--no-sandbox",
            "--disable-gpu",
            "--hide-scrollbars",
            "--force-device-scale-factor=1",
            f"--user-data-dir={profile}",
            f"--window-size={width},{height}",
            f"--blink-settings=preferredColorScheme={0 if dark else 1}",
            f"--screenshot={picture}",
            report.resolve().as_uri(),
        ]
        subprocess.run(command, check=True, capture_output=True, timeout=120)
        image = Image.open(picture).convert("RGB").quantize(256, dither=Image.Dither.NONE)
    out.parent.mkdir(parents=True, exist_ok=True)
    image.save(out, optimize=True)
    if out.stat().st_size > MAX_BYTES:
        raise SystemExit(
            f"A screenshot should have at most {MAX_BYTES:,} bytes. Found {out.stat().st_size:,} in {out}."
        )


if __name__ == "__main__":
    main()
