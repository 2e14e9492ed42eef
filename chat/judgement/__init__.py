"""When a human is needed. Pure: text and facts in, a decision with its reasons out."""
