"""Gradwire's service: the HTTP face of `core`, and the keeper of every network's state."""
