"""Work that outlives its request: kept on disk before it is promised, watched, cancelled, and found again after a crash.

A job is data (`service.storage.jobs.base.JobRecord`). A kind of job is a coroutine function (`kinds.Kind`) under a name.
`runner.Runner` has them run in turn, and `desk.Jobs` is where they are handed in, asked for and cancelled.
"""

from service.jobs.bounds import Bounds
from service.jobs.desk import Answer, Jobs
from service.jobs.kinds import Ended, Failure, Kind, Submission, Token, Work, described
from service.jobs.runner import Runner

__all__ = [
    "Answer",
    "Bounds",
    "Ended",
    "Failure",
    "Jobs",
    "Kind",
    "Runner",
    "Submission",
    "Token",
    "Work",
    "described",
]
