"""Calls a function in a process of its own, so that memory, threads and caches measured are its own.

The child prints its progress and, last, its result, one JSON object a line.
"""

from __future__ import annotations

import importlib
import json
import os
import subprocess
import sys
from collections.abc import Callable
from typing import Any

from genco.benchmarks.suite import Progress
from genco.errors import GencoError

RESULT, FAILURE = "result", "failure"
THREAD_VARIABLES = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "POLARS_MAX_THREADS")


def call_apart(
    function: Callable[..., Any], arguments: dict[str, Any], progress: Progress, threads: int | None = None
) -> Any:
    """`function(progress=..., **arguments)`, a function at the top of its module; arguments and result as JSON.

    threads: limit for numerical libraries, None = theirs. Raises `GencoError` with the child's message.
    """
    target = f"{function.__module__}:{function.__qualname__}"
    environment = os.environ | ({name: str(threads) for name in THREAD_VARIABLES} if threads else {})
    command = [sys.executable, "-m", "genco.benchmarks.own_process", target, json.dumps(arguments)]
    result: Any = None
    failure: str | None = f"{target} ended without a result"
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, encoding="utf-8", env=environment) as child:
        assert child.stdout is not None
        try:
            for line in child.stdout:
                stage, values = json.loads(line)
                if stage == RESULT:
                    result, failure = values, None
                elif stage == FAILURE:
                    failure = values
                else:
                    progress(stage, values)
        except BaseException:  # Ctrl-C too: the child must not outlive its parent
            child.kill()
            raise
    if failure is not None:
        raise GencoError(failure)
    return result


def main(target: str, arguments: str) -> None:
    """The child."""
    module, _, name = target.partition(":")
    answers, sys.stdout = sys.stdout, sys.stderr  # what a library prints is no answer

    def say(stage: str, values: Any) -> None:
        print(json.dumps([stage, values], default=lambda value: value.tolist()), file=answers, flush=True)

    try:
        say(RESULT, getattr(importlib.import_module(module), name)(progress=say, **json.loads(arguments)))
    except GencoError as error:
        say(FAILURE, str(error))
    except KeyboardInterrupt:
        sys.exit(130)


if __name__ == "__main__":
    main(*sys.argv[1:])
