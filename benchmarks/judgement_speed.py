"""What judging one message costs: CPU milliseconds, the embedding apart, at three lengths in three scripts.

python -m benchmarks.judgement_speed
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable

import numpy as np

from chat.judgement.decision import Earlier, Facts, assess
from chat.judgement.head.scoring import head
from chat.judgement.request import find_ask

TEXTS = {
    "en": "My lamp came with a broken shade and nobody answers, I want a refund or a new one this week. ",
    "ja": "届いたランプの笠が壊れていて、問い合わせても返事がありません。返金か交換をお願いします。",
    "th": "โคมไฟที่ได้รับแตกและไม่มีใครตอบกลับเลย ต้องการขอเงินคืนหรือเปลี่ยนอันใหม่ภายในสัปดาห์นี้ ",
}
LENGTHS = (20, 60, 200)
ROUNDS = 200


def cpu_ms(work: Callable[[], object]) -> float:
    """The median-ish cost of one call: the best of five averages."""
    work()
    best = float("inf")
    for _ in range(5):
        began = time.thread_time()
        for _ in range(ROUNDS):
            work()
        best = min(best, (time.thread_time() - began) / ROUNDS)
    return best * 1000


def main() -> None:
    sys.stdout.write("language characters   phrase net   all of judgement (with 6 earlier messages)\n")
    for language, text in TEXTS.items():
        for length in LENGTHS:
            message = (text * 10)[:length]
            earlier = tuple(Earlier(message, 0.0, 0.5) for _ in range(6))
            net = cpu_ms(lambda message=message: find_ask(message))
            whole = cpu_ms(lambda message=message, earlier=earlier: assess(Facts(message, earlier, confidence=0.9)))
            sys.stdout.write(f"{language:8} {length:10} {net:12.3f} {whole:12.3f}\n")
    vector = np.full(384, 384**-0.5, dtype=np.float32)
    sys.stdout.write(f"the head over one vector {cpu_ms(lambda: head().probability(vector)):.4f}\n")


if __name__ == "__main__":
    main()
