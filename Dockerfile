# One image for the server, the worker and the migrations: `docker build --tag milepost .`, then `serve`, `worker` or `migrate up`.
ARG PYTHON_IMAGE=docker.io/library/python:3.13.14-slim-trixie

FROM ${PYTHON_IMAGE} AS build
# Packages of providers that models.yaml names, of anthropic, google and ollama, with spaces between.
ARG EXTRAS=""
# Bytecode that knows its lines and not its columns: those take 6 MB of each server, and our logs name lines.
ENV PYTHONNODEBUGRANGES=1
WORKDIR /build
COPY requirements*.lock ./
# Wheels only, each held against its hash: nothing is compiled, so nothing that compiles is here. Bytecode does not ask when its source was
# changed: nothing changes in an image, and its root may be read-only.
RUN python -m venv --without-pip /opt/venv \
    && for extra in $EXTRAS; do echo "--requirement requirements-$extra.lock"; done >extras.txt \
    && python -m pip --python /opt/venv/bin/python install --quiet --no-cache-dir --no-compile --no-deps --only-binary :all: --require-hashes \
        --requirement requirements.lock --requirement extras.txt \
    && python -m compileall -q -j 0 --invalidation-mode unchecked-hash /opt/venv/lib
WORKDIR /srv/milepost
COPY app app
COPY models.yaml tiers.yaml tiers.development.yaml ./
RUN python -m compileall -q --invalidation-mode unchecked-hash app

FROM ${PYTHON_IMAGE}
ARG APP_ENV=production
ARG BUILD_REVISION=""
LABEL org.opencontainers.image.title="Milepost" \
    org.opencontainers.image.description="A LangGraph agent server with checkpointed state" \
    org.opencontainers.image.licenses="MIT" \
    org.opencontainers.image.revision="${BUILD_REVISION}"
# By number, so that a cluster can see that it is not root.
RUN groupadd --gid 10001 milepost \
    && useradd --uid 10001 --gid 10001 --no-create-home --home-dir /data --shell /usr/sbin/nologin milepost \
    && install --directory --owner 10001 --group 10001 --mode 0750 /data
COPY --from=build /opt/venv /opt/venv
COPY --from=build /srv/milepost /srv/milepost
ENV APP_ENV=${APP_ENV} \
    BUILD_REVISION=${BUILD_REVISION} \
    DATA_DIR=/data \
    HOST=0.0.0.0 \
    PATH=/opt/venv/bin:${PATH} \
    PORT=8000 \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1
WORKDIR /srv/milepost
USER 10001:10001
EXPOSE 8000
# Python asks, for there is no curl. A worker is asked otherwise, where it runs.
HEALTHCHECK --interval=10s --timeout=5s --start-period=30s --retries=3 \
    CMD ["python", "-c", "import os, urllib.request; urllib.request.urlopen(f'http://127.0.0.1:{os.environ[\"PORT\"]}/health/live', timeout=4)"]
# No shell between: the signal to stop reaches the process that has answers to finish.
ENTRYPOINT ["python", "-m", "app"]
CMD ["serve"]
