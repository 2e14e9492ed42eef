"""Slack, both ways: a thread for each handoff, and people who answer from it."""
