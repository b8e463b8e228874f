"""The embedded store's jobs, in rows and in slots."""

from __future__ import annotations

from tests.contracts.job_store import JobStoreContract


class TestInRows(JobStoreContract):
    name = "inline"


class TestInSlots(JobStoreContract):
    name = "slots"
