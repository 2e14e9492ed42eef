"""What can go wrong before the product itself runs."""


class EmbeddedError(Exception):
    """A start that cannot go on; its text is one sentence (or a few) for the person at the terminal."""


class RefusedError(EmbeddedError):
    """Nothing is broken, but this start must not happen: a port is taken, another supervisor runs."""
