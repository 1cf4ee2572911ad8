# The Makefile's steps in a container, on the CPU:
#   docker build -t roma . && docker run --name roma roma && docker cp roma:/home/roma/replication/figures .
FROM python:3.11-slim-bookworm

# Any version of make will do.
# hadolint ignore=DL3008
RUN apt-get update \
    && apt-get install --yes --no-install-recommends make \
    && rm -rf /var/lib/apt/lists/*

RUN useradd --create-home --uid 1000 roma \
    && install --directory --owner=roma --group=roma /home/roma/replication
USER 1000
WORKDIR /home/roma/replication

# An index of CPU builds of torch spares gigabytes of CUDA libraries: docker build --build-arg PIP_EXTRA_INDEX_URL=...
ARG PIP_EXTRA_INDEX_URL
ENV PIP_NO_CACHE_DIR=1

COPY --chown=roma:roma . .
RUN make venv

CMD ["make", "figures"]
