"""Where a version is on disk before it is in rows: one file, one write and one sync for all that wait, rows afterwards."""
