"""Known vulnerabilities of what is installed here, by pip-audit: `make audit`.

Whatever could not be looked up fails the audit: pip-audit by itself says "no known vulnerabilities" where it reached
nothing. Builds of one's own (torch 2.13.0+cpu) are looked up by their public version.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
from collections.abc import Iterable
from importlib.metadata import distributions

OURSELVES = "genco"


def requirements(installed: Iterable[tuple[str, str]]) -> list[str]:
    """`name==version` of each (name, version) but this package, once, in order of names."""
    return sorted({f"{name}=={version.partition('+')[0]}" for name, version in installed if name != OURSELVES})


def main() -> int:
    found = requirements((each.metadata["Name"], each.version) for each in distributions())
    with tempfile.NamedTemporaryFile("w", suffix=".txt") as file:
        file.write("\n".join(found))
        file.flush()
        options = ["--strict", "--no-deps", "--disable-pip", "--requirement", file.name]
        return subprocess.run([sys.executable, "-m", "pip_audit", *options], check=False).returncode


if __name__ == "__main__":
    sys.exit(main())
