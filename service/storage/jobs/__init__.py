"""Jobs on disk: what was asked for, how far it has come, and what came of it."""
