"""What the container files say agrees with the program. They are read here, not run: that needs a container engine."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
from tests.kits.command_line import genco

ROOT = Path(__file__).resolve().parents[2]
OPTIONS = re.compile(r"--[a-z-]+")


def compose() -> dict[str, Any]:
    yaml = pytest.importorskip("yaml")
    found = yaml.safe_load((ROOT / "deploy" / "compose.yaml").read_text())
    assert isinstance(found, dict)
    return found


def container_words(instruction: str) -> list[str]:
    text = (ROOT / "deploy" / "Containerfile").read_text()
    words = json.loads(re.findall(rf"^{instruction} (\[.*\])$", text, re.MULTILINE)[-1])
    assert isinstance(words, list)
    return words


def check_command(words: list[str]) -> None:
    """The words are options of `genco serve`."""
    assert words[0] == "serve"
    known = set(OPTIONS.findall(genco("serve", "--help").stdout))
    used = {found for word in words[1:] for found in OPTIONS.findall(word.split("=")[0])}
    assert used and used <= known


def test_the_container_serves() -> None:
    assert container_words("ENTRYPOINT") == ["genco"]
    check_command(container_words("CMD"))
    text = (ROOT / "deploy" / "Containerfile").read_text()
    for source in re.findall(r"^COPY (?!--from)(.+) /\S+$", text, re.MULTILINE):
        assert all((ROOT / name).exists() for name in source.split())
    extras = re.findall(r"/src\[([a-z,]+)\]", text)[0].split(",")
    project = (ROOT / "pyproject.toml").read_text()
    assert all(f"\n{name} = [\n" in project for name in extras)


def test_the_compose_file_serves_on_postgresql() -> None:
    services = compose()["services"]
    check_command(services["genco"]["command"])
    assert (ROOT / "deploy" / services["genco"]["build"]["context"] / services["genco"]["build"]["dockerfile"]).exists()
    assert set(services["genco"]["depends_on"]) <= set(services)
    assert set(compose()["volumes"]) == {"store"}
