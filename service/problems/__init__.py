"""The HTTP face of everything that can go wrong: RFC 9457 problems, each kind with a stable slug and a page.

Nothing else in the service names a status code for a failure. The pages lie beside this file, so that the service can
show them at `/problems/{slug}` wherever it is installed.
"""

from service.problems.catalog import PROBLEMS, ProblemType, page
from service.problems.faces import Face, face_of
from service.problems.handlers import STATUS, Problems, respond

__all__ = ["PROBLEMS", "STATUS", "Face", "ProblemType", "Problems", "face_of", "page", "respond"]
