"""Load on a running `genco serve`, from the same machine over loopback: decisions a second, latency, events a second.

    .venv/bin/python tools/load_service.py --run RUN --store FILE_OR_URL --seconds 60

Starts the server itself. Prints one JSON object: closed loop (`--connections` callers, each asks again when answered),
open loop (`--rate` a second, latency from the moment a request was due), batches of events, and the 99th percentile of
how late an idle loop of this machine wakes up, beside which the latencies are to be read.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

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


def measure(arguments: argparse.Namespace, say: Callable[[str], None]) -> dict[str, Any]:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = int(free.getsockname()[1])
    genco = Path(sys.executable).with_name("genco")
    command = [genco, "serve", "--run", arguments.run, "--store", arguments.store, "--port", port]
    command += ["--durability", arguments.durability, "--log-level", "warning"]
    environment = {**os.environ, "GENCO_BOOTSTRAP_KEY": KEY}
    server = subprocess.Popen([str(word) for word in command], env=environment)
    try:
        started = time.perf_counter()
        while True:
            try:
                socket.create_connection(("127.0.0.1", port), timeout=1).close()
                break
            except OSError:
                if server.poll() is not None or time.perf_counter() - started > 60:
                    raise SystemExit("the server did not start") from None
                time.sleep(0.01)
        result: dict[str, Any] = {"start_seconds": round(time.perf_counter() - started, 2), "store": arguments.kind}
        bodies = request_bodies(arguments.run, arguments.contexts)
        result["distinct_requests"] = len(bodies)
        result["idle_loop"] = asyncio.run(idle_loop(3))
        say("first: every request once")
        result["warm_up"] = asyncio.run(closed_loop(port, bodies, arguments.connections, arguments.warm_up))
        say("closed loop")
        spent = cpu_seconds(server.pid)
        closed = asyncio.run(closed_loop(port, bodies, arguments.connections, arguments.seconds))
        spent = cpu_seconds(server.pid) - spent
        num = closed["decisions_per_second"] * arguments.seconds
        result["closed_loop"] = {**closed, "server_cpu_ms_per_decision": round(1e3 * spent / num, 3)}
        say("open loop")
        result["open_loop"] = asyncio.run(open_loop(port, bodies, arguments.rate, arguments.seconds))
        say("events")
        result["events"] = asyncio.run(event_batches(port, bodies, arguments.events // 2))
        return result
    finally:
        server.terminate()
        server.wait()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--run", type=Path, required=True, help="run folder")
    parser.add_argument("--store", required=True, help="a new SQLite file, or the URL of an empty PostgreSQL database")
    parser.add_argument("--durability", default="process", choices=("process", "power"))
    parser.add_argument("--seconds", type=float, default=20, help="of each loop")
    parser.add_argument("--warm-up", type=float, default=10, help="seconds before measuring")
    parser.add_argument("--rate", type=float, default=400, help="decisions a second of the open loop")
    parser.add_argument("--connections", type=int, default=16, help="callers of the closed loop")
    parser.add_argument("--contexts", type=int, default=20, help="different contexts a product")
    parser.add_argument("--events", type=int, default=20_000, help="rows of events")
    arguments = parser.parse_args()
    arguments.kind = "postgresql" if "://" in arguments.store else f"sqlite, durability {arguments.durability}"
    print(json.dumps(measure(arguments, lambda text: print(text, file=sys.stderr)), indent=1))


if __name__ == "__main__":
    main()
