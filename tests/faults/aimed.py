"""For each mutant a short run that is aimed at it: what must happen for its mechanism to be needed."""

from __future__ import annotations

from tests.faults.run import Script

FEW = 6
LINE = "kill a web server between insert and commit", "kill a web server between commit and ack"
# mutant -> what is broken, who acts and how. The unmutated build must come through each of them.
AIMED: dict[str, Script] = {
    "no unique index": Script(101, {}, FEW, least_seconds=5),
    "ack before commit": Script(102, {"programs": [LINE[0]] * 2}, FEW, least_seconds=8, pace=1.5),
    "id cursor instead of seq": Script(
        103, {"services": ["hold the notes of due work"] * 3}, 10, 15, pace=1.2, takes_from_ai=0.6
    ),
    "no re-read": Script(104, {"links": ["no layer for a while"]}, 8, least_seconds=20, pace=3.0, takes_from_ai=0.6),
    "no epoch check": Script(105, {"agents": ["claim while the AI speaks"] * 4}, 8, 10, pace=2.0, model_gap=0.5),
    "no dedupe": Script(106, {"programs": [LINE[1]] * 2}, FEW, least_seconds=8, pace=1.5),
    "no lease": Script(107, {}, 4, least_seconds=20, pace=6.0, takes_from_ai=0.0, model_gap=1.5),
    "claim by read-then-write": Script(108, {"agents": ["all agents claim at once"] * 8}, FEW, least_seconds=10),
    "listener before commit": Script(
        109, {"links": ["slow commits"]}, 4, 36, pace=9.0, takes_from_ai=0.0, only_asks=True
    ),
    "outbox without idempotency": Script(110, {"slack": ["Slack lost-answer"] * 2}, FEW, least_seconds=6, pace=1.5),
}
