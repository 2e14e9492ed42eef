"""The fault harness: the whole product as child processes, broken on purpose, and an oracle that judges it.

`make faults` runs it; docs/reliability.md says what it proves and how to read it.
"""
