"""Mixed load with faults against one router and three simulated instances that are killed and restarted.

    ./infini test --soak [MINUTES]      30 by default; one minute is enough to see that it works

Every answer is a whole 200 or has an explanation: the request asked the simulator for a fault, or its stream had begun
when the instance was killed. Prints one line each 10 s and at the end the slope of the router's resident memory.
Exit 1 when an answer has no explanation, something is left in flight, the router says LEAK or ERROR, or does not end with 0.
Only the standard library is needed (Python 3.11).
"""

import argparse
import asyncio
import json
import os
import random
import re
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

HOME = Path(__file__).resolve().parents[2]
INFINI = HOME / "bin" / "infini"
CLIENTS = 24
INSTANCES = 3
SAMPLE_SECONDS = 2.0
LINE_SECONDS = 10.0
ANSWER_SECONDS = 60.0
SETTLE_SECONDS = 60.0
KINDS = {
    "chat": 30,
    "stream": 25,
    "large": 8,
    "completion": 8,
    "embedding": 8,
    "leaves": 8,
    "slow": 3,
    "fault": 10,
}
FAULTS = (
    "status:code=500",
    "status:code=503,retry-after=1",
    "status:code=429,retry-after=1",
    "close-before-head",
    "reset-before-head",
    "reset:after=2",
    "truncate:after=2",
    "slow-drip:delay=0.005",
    "1xx",
    "wrong-content-length",
)


class Unexplained(Exception):
    """An answer that nothing explains."""


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


class Fleet:
    """The processes: a router, and instances that come and go one at a time."""

    def __init__(self, folder):
        self.folder = folder
        self.ports = [free_port() for _ in range(INSTANCES)]
        self.instances = [None] * INSTANCES
        self.router = None
        self.router_port = free_port()
        self.kills = 0

    def run(self, log, *args, java_opts=""):
        out = open(self.folder / log, "ab")
        env = dict(os.environ, INFINI_NO_BUILD="1", INFINI_JAVA_OPTS=java_opts)
        return subprocess.Popen([str(INFINI), *args], stdout=out, stderr=out, env=env)

    def start_instance(self, k):
        self.instances[k] = self.run(
            f"instance-{k}.log", "simulate", "--port", str(self.ports[k]), "--name", f"instance-{k}",
            "--model", "m", "--speed", "20", "--max-batch-size", "16")

    def start_router(self):
        instances = [
            arg for k, port in enumerate(self.ports)
            for arg in ("--instance", f"http://127.0.0.1:{port},name=instance-{k}")]
        self.router = self.run(
            "router.log", "router", "--host", "127.0.0.1", "--router-port", str(self.router_port),
            "--health-interval", "1", "--proxy-timeout", "30", *instances,
            java_opts="-Dio.netty.leakDetection.level=advanced")

    def get(self, path):
        with urllib.request.urlopen(f"http://127.0.0.1:{self.router_port}{path}", timeout=10) as r:
            return json.load(r)

    async def until(self, what, condition, seconds):
        end = time.monotonic() + seconds
        while True:
            try:
                if await asyncio.to_thread(condition):
                    return
            except OSError:
                pass
            if time.monotonic() > end:
                raise Unexplained(f"{what}: not within {seconds:.0f} s; the router says {self.said()}")
            await asyncio.sleep(0.1)

    def healthy(self):
        return self.get("/health")["healthy_services"] == f"{INSTANCES}/{INSTANCES}"

    def said(self):
        """What the router says about each instance, for the report of a failure."""
        try:
            return "; ".join(
                f"{s['name']} {s['state']}, why out: {s['why_out']}, {s['error_count']} errors, in flight {s['in_flight']}"
                for s in self.get("/services")["services"])
        except OSError as e:
            return f"nothing: {e}"

    def in_flight(self):
        return sum(s["in_flight"] for s in self.get("/services")["services"])

    async def trouble(self, end, rng):
        """Kills or ends one instance after another and starts it again, until the time is over."""
        while time.monotonic() < end:
            await asyncio.sleep(rng.uniform(3, 7))
            k = rng.randrange(INSTANCES)
            self.kills += 1
            self.instances[k].send_signal(rng.choice((signal.SIGKILL, signal.SIGTERM)))
            await asyncio.to_thread(self.instances[k].wait)
            await asyncio.sleep(rng.uniform(0, 2))
            self.start_instance(k)
            await self.until(f"instance-{k} is healthy again, as are the others", self.healthy, 60)

    def close(self):
        for p in [*self.instances, self.router]:
            if p and p.poll() is None:
                p.kill()
                p.wait()


def process(pid):
    """Resident KiB, open descriptors, threads."""
    status = Path(f"/proc/{pid}/status").read_text()
    field = lambda name: int(re.search(rf"^{name}:\s+(\d+)", status, re.M).group(1))
    return field("VmRSS"), len(os.listdir(f"/proc/{pid}/fd")), field("Threads")


class Counts:
    def __init__(self):
        self.whole = self.explained = self.left = 0
        self.unexplained = []


class Client:
    """One client with a kept connection."""

    def __init__(self, port, rng, counts):
        self.port, self.rng, self.counts = port, rng, counts
        self.reader = self.writer = None

    async def close(self):
        if self.writer:
            self.writer.close()
            self.reader = self.writer = None

    async def until(self, end):
        kinds, weights = list(KINDS), list(KINDS.values())
        while time.monotonic() < end:
            kind = self.rng.choices(kinds, weights)[0]
            fault = self.rng.choice(FAULTS) if kind == "fault" else None
            try:
                async with asyncio.timeout(ANSWER_SECONDS):
                    await self.ask(kind, fault)
            except (OSError, EOFError, TimeoutError, asyncio.IncompleteReadError, Unexplained) as e:
                await self.close()
                if fault:
                    self.counts.explained += 1
                else:
                    self.counts.unexplained.append(f"{kind}: {type(e).__name__}: {e}")
        await self.close()

    async def ask(self, kind, fault):
        path, body = self.request(kind)
        if not self.writer:
            self.reader, self.writer = await asyncio.open_connection("127.0.0.1", self.port)
        data = json.dumps(body).encode()
        head = f"POST {path} HTTP/1.1\r\nHost: soak\r\nContent-Type: application/json\r\nContent-Length: {len(data)}\r\n"
        if fault:
            head += f"x-simulate-fault: {fault}\r\n"
        raw = head.encode() + b"\r\n" + data
        if kind == "slow":
            step = max(1, len(raw) // 20)
            for k in range(0, len(raw), step):
                self.writer.write(raw[k:k + step])
                await asyncio.sleep(0.02)
        else:
            self.writer.write(raw)
        if kind == "leaves":
            await asyncio.sleep(self.rng.uniform(0, 0.05))
            self.counts.left += 1
            await self.close()
            return
        await self.answer(body.get("stream", False), fault)

    def request(self, kind):
        text = "word " * self.rng.randrange(1, 60)
        if kind == "large":
            text = "word " * self.rng.randrange(1000, 16000)
        if kind == "embedding":
            return "/v1/embeddings", {"model": "m", "input": [text, text]}
        if kind == "completion":
            return "/v1/completions", {"model": "m", "prompt": text, "max_tokens": 8}
        body = {"model": "m", "messages": [{"role": "user", "content": text}], "max_tokens": self.rng.randrange(1, 32)}
        if kind in ("stream", "leaves") or (kind == "fault" and self.rng.random() < 0.5):
            body["stream"] = True
        if self.rng.random() < 0.3:
            body["prompt_cache_key"] = f"session-{self.rng.randrange(20)}"
        return "/v1/chat/completions", body

    async def answer(self, stream, fault):
        head = (await self.reader.readuntil(b"\r\n\r\n")).decode("latin-1").lower()
        status = int(head[9:12])
        body, whole = b"", True
        try:
            length = re.search(r"\r\ncontent-length: (\d+)", head)
            if length:
                body = await self.reader.readexactly(int(length.group(1)))
            else:
                while size := int((await self.reader.readuntil(b"\r\n")).split(b";")[0], 16):
                    body += (await self.reader.readexactly(size + 2))[:-2]
                await self.reader.readuntil(b"\r\n")
        except (OSError, asyncio.IncompleteReadError):
            whole = False
        if "\r\nconnection: close" in head or not whole:
            await self.close()
        if status == 200 and whole and (not stream or body.endswith(b"data: [DONE]\n\n")):
            self.counts.whole += 1
        elif fault or (status == 200 and stream and b'data: {"error"' in body):
            self.counts.explained += 1
        else:
            raise Unexplained(f"status {status}, {'whole' if whole else 'cut'}: {body[-200:]!r}")


async def watch(fleet, counts, end, samples):
    begin = line = time.monotonic()
    before = 0
    while time.monotonic() < end:
        await asyncio.sleep(SAMPLE_SECONDS)
        now = time.monotonic()
        resident, descriptors, threads = process(fleet.router.pid)
        samples.append((now - begin, resident / 1024))
        if now - line >= LINE_SECONDS:
            done = counts.whole + counts.explained + counts.left
            print(f"{now - begin:6.0f} s  {(done - before) / (now - line):6.0f} requests/s  {counts.whole} whole  "
                  f"{counts.explained} broken as asked or by a kill  {counts.left} left by clients  "
                  f"{len(counts.unexplained)} unexplained  {fleet.kills} kills  "
                  f"{resident / 1024:.0f} MiB  {descriptors} descriptors  {threads} threads", flush=True)
            before, line = done, now


def slope(samples):
    """MiB an hour by least squares, without the first third: a JVM grows into its heap."""
    tail = samples[len(samples) // 3:]
    if len(tail) < 3:
        return 0.0
    mean_x = sum(x for x, _ in tail) / len(tail)
    mean_y = sum(y for _, y in tail) / len(tail)
    over = sum((x - mean_x) ** 2 for x, _ in tail)
    return 3600 * sum((x - mean_x) * (y - mean_y) for x, y in tail) / over if over else 0.0


async def soak(minutes, folder, seed):
    rng = random.Random(seed)
    fleet, counts, samples = Fleet(folder), Counts(), []
    faults = []
    try:
        for k in range(INSTANCES):
            fleet.start_instance(k)
        fleet.start_router()
        await fleet.until("all instances are healthy", fleet.healthy, 120)
        end = time.monotonic() + 60 * minutes
        clients = [Client(fleet.router_port, random.Random(seed + k + 1), counts) for k in range(CLIENTS)]
        await asyncio.gather(
            *(c.until(end) for c in clients), fleet.trouble(end, rng), watch(fleet, counts, end, samples))
        try:
            await fleet.until("nothing is in flight", lambda: fleet.in_flight() == 0, SETTLE_SECONDS)
        except Unexplained as e:
            faults.append(str(e))
        fleet.router.terminate()
        code = await asyncio.to_thread(fleet.router.wait)
        if code:
            faults.append(f"the router ended with {code} (expected: 0)")
        log = (folder / "router.log").read_text(errors="replace")
        faults += [line for line in log.splitlines() if "LEAK" in line or " ERROR " in line][:10]
    except Unexplained as e:
        faults.append(str(e))
    finally:
        fleet.close()
    for what in [*counts.unexplained[:20], *faults]:
        print(f"unexplained: {what}", flush=True)
    first, last = (samples[0][1], samples[-1][1]) if samples else (0, 0)
    print(f"{counts.whole} whole answers, {counts.explained} broken as asked or by a kill, {counts.left} left by clients, "
          f"{fleet.kills} instances killed or ended; resident memory {first:.0f} -> {last:.0f} MiB, "
          f"slope {slope(samples):+.1f} MiB an hour; {len(counts.unexplained) + len(faults)} unexplained errors")
    return 1 if counts.unexplained or faults or not counts.whole else 0


def main():
    parser = argparse.ArgumentParser(prog="infini test --soak", description=__doc__.split("\n")[0])
    parser.add_argument("minutes", nargs="?", type=float, default=30, help="how long (30)")
    parser.add_argument("--seed", type=int, default=1, help="of load and kills (1)")
    parser.add_argument("--folder", type=Path, default=HOME / "target" / "soak", help="for logs (target/soak)")
    args = parser.parse_args()
    if not 0 < args.minutes <= 10_000:
        parser.error(f"minutes: {args.minutes} (expected: more than 0, at most 10000)")
    args.folder.mkdir(parents=True, exist_ok=True)
    for old in args.folder.glob("*.log"):
        old.unlink()
    subprocess.run([str(INFINI), "router", "--help"], stdout=subprocess.DEVNULL, check=True)  # builds what is not built
    sys.exit(asyncio.run(soak(args.minutes, args.folder, args.seed)))


if __name__ == "__main__":
    main()
