# Gradwire in a container: locked by hash, not root, nothing writable but /data. Needs no network when it runs.
#
#   docker build --target cpu  -t gradwire:cpu  .
#   docker build --target cuda -t gradwire:cuda .       (the host adds a driver and the NVIDIA container toolkit)
#   docker run --read-only --tmpfs /tmp --cap-drop ALL --security-opt no-new-privileges \
#       -p 127.0.0.1:8000:8000 -e GRADWIRE_ALLOW_ANONYMOUS=true -v gradwire:/data gradwire:cpu
#
# In a container the service listens on all addresses, so that it asks for API keys and does not start without one:
#   docker run --rm -v gradwire:/data gradwire:cpu keys create
# Where its port is published to the loopback address only, as above, it may be let off that.
#
# The tag names one patch release of Python on one Debian. A digest would name the bytes too; pass one to pin it:
#   --build-arg PYTHON_IMAGE=python:3.13.15-slim-trixie@sha256:...
ARG PYTHON_IMAGE=python:3.13.15-slim-trixie

# --- what is installed, made where compilers and pip may leave their traces -------------------------------------------
FROM ${PYTHON_IMAGE} AS build
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1 PIP_NO_INPUT=1
WORKDIR /src
# Packages before sources: a change of ours installs nothing of theirs again.
COPY requirements/build.txt requirements/
RUN python -m venv /opt/build && /opt/build/bin/pip install --only-binary :all: --require-hashes -r requirements/build.txt
COPY pyproject.toml hatch_build.py README.md LICENSE ./
COPY core core
COPY service service
RUN /opt/build/bin/pip wheel --no-index --no-deps --no-build-isolation --wheel-dir /wheels .

FROM ${PYTHON_IMAGE} AS install-cpu
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1 PIP_NO_INPUT=1
COPY requirements/runtime.txt /requirements.txt
RUN python -m venv /opt/gradwire && /opt/gradwire/bin/pip install --only-binary :all: --require-hashes -r /requirements.txt
RUN --mount=type=bind,from=build,source=/wheels,target=/wheels \
    /opt/gradwire/bin/pip install --no-index --no-deps /wheels/*.whl

FROM ${PYTHON_IMAGE} AS install-cuda
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1 PIP_NO_INPUT=1
COPY requirements/cuda.txt /requirements.txt
RUN python -m venv /opt/gradwire && /opt/gradwire/bin/pip install --only-binary :all: --require-hashes -r /requirements.txt
RUN --mount=type=bind,from=build,source=/wheels,target=/wheels \
    /opt/gradwire/bin/pip install --no-index --no-deps /wheels/*.whl

# --- what runs --------------------------------------------------------------------------------------------------------
FROM ${PYTHON_IMAGE} AS runtime
RUN groupadd --system --gid 10001 gradwire \
    && useradd --system --uid 10001 --gid gradwire --no-create-home --home-dir /nonexistent --shell /usr/sbin/nologin gradwire \
    && install -d -o gradwire -g gradwire -m 0700 /data
# The allocator's settings and the number of BLAS threads are chosen by the service when it starts (service/allocator.py,
# core/plans/threads.py); OPENBLAS_NUM_THREADS bounds the threads.
ENV PATH=/opt/gradwire/bin:$PATH \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1 \
    GRADWIRE_HOST=0.0.0.0 \
    GRADWIRE_PORT=8000 \
    GRADWIRE_DATA=/data/store
WORKDIR /data
USER 10001:10001
VOLUME /data
EXPOSE 8000
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=15s --timeout=5s --start-period=30s --start-interval=1s --retries=3 \
    CMD ["/opt/gradwire/bin/python", "-c", "import http.client as h, os, sys; c = h.HTTPConnection('127.0.0.1', int(os.environ['GRADWIRE_PORT']), timeout=4); c.request('GET', '/readyz'); sys.exit(c.getresponse().status != 200)"]
ENTRYPOINT ["/opt/gradwire/bin/gradwire"]
CMD ["serve"]

FROM runtime AS cuda
COPY --from=install-cuda /opt/gradwire /opt/gradwire
# The container toolkit reads the first two. Compiled kernels are kept on the volume: the root is read-only.
ENV NVIDIA_VISIBLE_DEVICES=all \
    NVIDIA_DRIVER_CAPABILITIES=compute,utility \
    CUPY_CACHE_DIR=/data/cupy-kernels \
    GRADWIRE_BACKEND=cupy

# The last target is the one that `docker build .` makes.
FROM runtime AS cpu
COPY --from=install-cpu /opt/gradwire /opt/gradwire
ENV GRADWIRE_BACKEND=numpy
