"""Every setting of the service, in one frozen object that is read once: a field is a flag is an environment variable.

`max_body_bytes` is `--max-body-bytes` is `GRADWIRE_MAX_BODY_BYTES`; a flag wins over the environment, and that over the
default. docs/settings.md has a line for each, and a test fails where one is missing.
"""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pydantic import Field
from pydantic_settings import BaseSettings, SettingsConfigDict

__all__ = ["LIMITS", "RETENTION", "Settings"]

LIMITS = (
    "max_body_bytes",
    "max_layers",
    "max_units",
    "max_parameters",
    "max_batch_rows",
    "max_estimated_bytes",
    "max_estimated_operations",
    "max_checkpoints",
)
"""The settings that bound what one request may ask for; `GET /v1/info` shows them."""

RETENTION = (
    "keep_versions",
    "keep_bytes",
    "keep_history",
    "keep_receipts",
    "replay_steps",
    "replay_bytes",
    "replay_seconds",
)
"""The settings that bound what is kept of the past, and as what; `GET /v1/info` shows them too."""


_ORIGIN = r"https?://[A-Za-z0-9.\[\]:-]+"


class Settings(BaseSettings):
    """How one process of the service runs."""

    model_config = SettingsConfigDict(env_prefix="GRADWIRE_", frozen=True, extra="forbid", env_ignore_empty=True)

    host: str = Field("127.0.0.1", min_length=1, description="Address to listen on.")
    port: int = Field(8000, ge=0, le=65535, description="Port to listen on; 0 takes a free one.")
    data: Path = Field(Path("gradwire-data"), description="Folder of the store; made if it is missing.")
    backend: Literal["auto", "numpy", "cupy"] = Field(
        "auto", description="What computes: auto takes CuPy where a CUDA device answers, and NumPy elsewhere."
    )
    sync: bool = Field(
        True,
        description="Wait for the disk before a step is answered; without, a loss of power takes the last steps.",
    )
    shutdown_seconds: float = Field(
        60.0, gt=0, le=86400, description="How long requests and jobs that are running may go on after SIGTERM."
    )
    access_log: bool = Field(False, description="Write a line for each request to standard error.")
    log_format: Literal["text", "json"] = Field("text", description="Lines for people, or JSON for machines.")
    telemetry: bool = Field(False, description="Send OpenTelemetry traces where OTEL_EXPORTER_OTLP_ENDPOINT says.")
    require_if_match: bool = Field(False, description="Refuse writes to a network without If-Match (428).")

    allow_anonymous: bool = Field(
        False, description="Let requests in without a key: on any address, and where there are keys."
    )
    metrics: Literal["open", "key", "off"] = Field("key", description="Who reads /metrics, where keys are demanded.")
    docs: Literal["open", "key", "off"] = Field(
        "open", description="Who reads /docs and /openapi.json, where keys are demanded."
    )
    cors_origins: str = Field(
        "",
        pattern=rf"^({_ORIGIN}( +{_ORIGIN})*)?$",
        description="Origins, separated by spaces, whose pages may call the service; none by default.",
    )

    queue_length: int = Field(
        256, ge=1, description="Computations that may wait for a thread, and writes for one network."
    )
    queue_seconds: float = Field(1.0, ge=0, description="How long a computation of a burst may wait for a thread.")
    queue_lasting_seconds: float = Field(
        0.02, ge=0, description="How long it may under a load that stays; never less than what it takes itself."
    )
    working_bytes: int = Field(
        8 * 2**30, ge=1, description="Estimated working memory of all requests together, in bytes."
    )

    job_workers: int = Field(2, ge=1, description="Jobs that run at once.")
    job_queue: int = Field(
        1000, ge=1, description="Jobs that have not finished; those of one network wait in at most half of the places."
    )
    job_queue_bytes: int = Field(2**30, ge=1, description="Bytes of the requests of jobs that have not finished.")
    job_result_seconds: float = Field(86400.0, ge=0, le=31536000, description="How long a job's result is kept.")
    job_result_bytes: int = Field(2**30, ge=0, description="Bytes of results of jobs; the oldest leave.")
    keep_jobs: int = Field(10_000, ge=1, description="Newest jobs that have finished, with their events.")
    wait_seconds: int = Field(60, ge=0, le=3600, description="How long a request may wait for the end of a job.")
    heartbeat_seconds: float = Field(
        15.0, gt=0, le=3600, description="Without an event, a stream of events says so often that it still stands."
    )

    max_body_bytes: int = Field(128 * 2**20, ge=1, description="Bytes in the body of a request.")
    max_layers: int = Field(1000, ge=1, description="Layers with weights in a network.")
    max_units: int = Field(1_000_000, ge=1, description="Units in a layer, and inputs of a network.")
    max_parameters: int = Field(100_000_000, ge=1, description="Parameters of a network.")
    max_batch_rows: int = Field(1_000_000, ge=1, description="Examples in one request.")
    max_estimated_bytes: int = Field(4 * 2**30, ge=1, description="Estimated working memory of one request, in bytes.")
    max_estimated_operations: int = Field(
        20 * 10**12, ge=1, description="Estimated floating-point operations of one request."
    )

    max_live_bytes: int = Field(
        2**30, ge=0, description="Bytes of networks kept in memory; the least recently used leave."
    )
    keep_versions: int = Field(100, ge=2, description="Newest versions of a network whose parameters can be read.")
    keep_bytes: int = Field(
        16 * 2**20,
        ge=0,
        description="Bytes of one network's older versions; the current and the previous are always kept.",
    )
    keep_history: int = Field(
        100_000, ge=1, description="Newest entries of a network's list of versions, besides those that can be read."
    )
    keep_receipts: int = Field(
        100_000, ge=1, description="Newest Idempotency-Keys of a network, and of creations, that are remembered."
    )
    replay_steps: int = Field(
        64,
        ge=1,
        description="Steps of a network with durability replay from one version that is kept whole to the next, ...",
    )
    replay_bytes: int = Field(
        16 * 2**20, ge=0, description="... while their records take no more bytes than this or than the numbers, ..."
    )
    replay_seconds: float = Field(30.0, ge=0, description="... and took no longer than this to compute.")
    max_checkpoints: int = Field(100, ge=0, le=10_000, description="Checkpoints of a network.")
