"""The embedded store against the disk that it is on: every commit beside an overwrite of as many bytes and its fdatasync."""
