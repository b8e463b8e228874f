"""Who may come in: API keys in a file of their own beside the store, and what each may ask for."""

from service.access.callers import ANONYMOUS, Caller
from service.access.door import Door
from service.access.keyfile import KeyFile
from service.access.keys import Key, Limits

__all__ = ["ANONYMOUS", "Caller", "Door", "Key", "KeyFile", "Limits"]
