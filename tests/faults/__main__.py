"""`python -m tests.faults`: RUNS runs from SEED on. Exits with 1 when an invariant was broken, or a planned fault
never hit. VISITORS= makes it smaller; FAULTS_KEEP= keeps logs and journals in a folder."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections import Counter

from tests.faults.breaking import plan
from tests.faults.run import Result, Run, Script
from tests.faults.stack import World

SHOWN = 6


def main() -> int:
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    seed, runs = int(os.environ.get("SEED", "1")), int(os.environ.get("RUNS", "1"))
    visitors = int(os.environ.get("VISITORS", "40"))
    only = [word for word in os.environ.get("ONLY", "").split(",") if word]
    pace = max(2.5, visitors / 5)
    scripts = [Script(each, _chosen(each, only), visitors, pace=pace) for each in range(seed, seed + runs)]
    return asyncio.run(_play(scripts))


def _chosen(seed: int, only: list[str]) -> dict[str, list[str]]:
    """The seed's plan; of it, with ONLY, what contains one of the words (`none`: nothing at all)."""
    lanes = plan(seed)
    if not only:
        return lanes
    kept = {lane: [name for name in kinds if any(word in name for word in only)] for lane, kinds in lanes.items()}
    return {lane: kinds for lane, kinds in kept.items() if kinds}


async def _play(scripts: list[Script]) -> int:
    world = World()
    results = []
    try:
        await world.start()
        for script in scripts:
            _announce(script)
            result = await Run(world, script).play()
            _report(result)
            results.append(result)
    finally:
        world.stop()
    return _sum_up(results)


def _announce(script: Script) -> None:
    print(f"\n== seed {script.seed}: {script.visitors} visitors, 5 agents", flush=True)
    for lane, kinds in script.lanes.items():
        print(f"   {lane}: {', '.join(kinds)}", flush=True)


def _report(result: Result) -> None:
    print(f"   {result.seconds:.0f} s; " + ", ".join(f"{n} {what}" for what, n in result.counts.items()))
    quiet = "never" if result.quiet_seconds is None else f"{result.quiet_seconds:.1f} s after healing"
    print(f"   quiet {quiet}; {len(result.recoveries)} messages recovered, p95 {_p95(result.recoveries):.1f} s")
    print("   hits: " + ", ".join(f"{name} {n}" for name, n in sorted(result.hits.items())))
    if result.fell:
        print(
            "   ended by themselves, and were started again: " + ", ".join(f"{k} {n}" for k, n in result.fell.items())
        )
    for name in result.unhit:
        print(f"   NO HIT: {name}")
    for name, complaints in result.complaints.items():
        print(f"   {name} BROKEN, {len(complaints)} times:")
        for complaint in complaints[:SHOWN]:
            print(f"      {complaint}")
    print(f"   seed {result.script.seed}: {'good' if result.ok else 'NOT GOOD'}", flush=True)


def _sum_up(results: list[Result]) -> int:
    hits: Counter[str] = Counter()
    counts: Counter[str] = Counter()
    for result in results:
        hits += result.hits
        counts += result.counts
    recoveries = sorted(one for result in results for one in result.recoveries)
    bad = [result.script.seed for result in results if not result.ok]
    violations = sum(len(found) for result in results for found in result.complaints.values())
    print(f"\n{len(results)} runs, {violations} violations, {sum(hits.values())} hits of {len(hits)} kinds of fault.")
    print(", ".join(f"{n} {what}" for what, n in counts.items()))
    print(f"recovered: {len(recoveries)} messages, p95 {_p95(recoveries):.1f} s after healing")
    if bad:
        print(f"not good: seeds {bad}")
    return 1 if bad else 0


def _p95(values: list[float]) -> float:
    return values[min(len(values) - 1, int(len(values) * 0.95))] if values else 0.0


if __name__ == "__main__":
    sys.exit(main())
