"""BuiltABot: the composition root. Nothing imports it."""
