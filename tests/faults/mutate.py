"""`python -m tests.faults.mutate`: can the harness fail? Ten mechanisms are broken one at a time, and the oracle must
catch each by the invariant that it breaks; the same runs on the product as it is must be good. ONLY= picks mutants by a
word, CONTROL=0 skips the runs of the product as it is."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from dataclasses import replace

from tests.faults.aimed import AIMED
from tests.faults.mutants import CAUGHT_BY, MUTANTS
from tests.faults.run import Result, Run
from tests.faults.stack import World

QUIET_SECONDS = 25.0  # what is lost for good does not come by waiting


def main() -> int:
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    word = os.environ.get("ONLY", "")
    chosen = [name for name in MUTANTS if word in name]
    return asyncio.run(_play(chosen, controlled=os.environ.get("CONTROL", "1") != "0"))


async def _play(names: list[str], *, controlled: bool) -> int:
    world = World()
    caught, good = [], []
    try:
        await world.start()
        for name in names:
            script = AIMED[name]
            if controlled:
                result = await Run(world, script).play()
                good += [name] if result.ok else []
                _tell(f"as it is, run for: {name}", result, "good" if result.ok else "NOT GOOD")
            mutated = replace(script, build={"FAULTS_MUTANT": name}, quiet_seconds=QUIET_SECONDS)
            result = await Run(world, mutated).play()
            is_caught = bool(CAUGHT_BY[name] & set(result.complaints)) and not result.unhit
            caught += [name] if is_caught else []
            _tell(f"mutant: {name}", result, "caught" if is_caught else "NOT CAUGHT")
    finally:
        world.stop()
    print(f"\ncaught {len(caught)} of {len(names)} mutants")
    if controlled:
        print(f"the product itself came through {len(good)} of {len(names)} of the same runs")
    return 0 if len(caught) == len(names) and (len(good) == len(names) or not controlled) else 1


def _tell(title: str, result: Result, verdict: str) -> None:
    print(f"== {title}: {verdict} ({result.seconds:.0f} s; {result.counts['sent']} sent, "
          f"slowness {result.counts['slowness']})")  # fmt: skip
    for name in result.unhit:
        print(f"   NO HIT: {name}")
    for name, complaints in result.complaints.items():
        print(f"   {name}, {len(complaints)} times: {complaints[0]}", flush=True)


if __name__ == "__main__":
    sys.exit(main())
