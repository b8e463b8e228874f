"""How state survives: small protocols in `base`, one embedded store beside it."""
