"""What a process may take from the machine that reads what strangers wrote. Called by that process itself."""

from __future__ import annotations

import resource


def confine(*, memory_bytes: int, file_bytes: int = 64 * 1024 * 1024) -> None:
    """Bound this process's memory and the files it writes, for good; no core is dumped."""
    resource.setrlimit(resource.RLIMIT_AS, (memory_bytes, memory_bytes))
    resource.setrlimit(resource.RLIMIT_FSIZE, (file_bytes, file_bytes))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def grant_cpu(seconds: int) -> None:
    """Let this process compute for so long from now on; then it is killed. May be called again and again."""
    used = resource.getrusage(resource.RUSAGE_SELF)
    soft = int(used.ru_utime + used.ru_stime) + 1 + seconds
    resource.setrlimit(resource.RLIMIT_CPU, (soft, resource.getrlimit(resource.RLIMIT_CPU)[1]))
