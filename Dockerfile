# The image of one Callcard process. It wants DATABASE_URL, CALLCARD_PUBLIC_URL and CALLCARD_SECRET_KEY, and says what is missing.
# `docker run … callcard migrate` brings the schema up to date before a new version serves.
FROM python:3.11-slim-bookworm AS builder

WORKDIR /srv/callcard
COPY requirements-build.lock ./
RUN pip install --no-cache-dir --require-hashes -r requirements-build.lock

# The dependencies come before the code: changing the code leaves this layer as it is.
COPY requirements.lock ./
RUN uv venv /opt/callcard \
    && uv pip sync --python /opt/callcard --no-cache --compile-bytecode --require-hashes requirements.lock

COPY pyproject.toml README.md alembic.ini ./
COPY migrations ./migrations
COPY app ./app
RUN uv pip install --python /opt/callcard --no-cache --no-deps \
        --build-constraints requirements-build.lock --require-build-hashes -e . \
    && /opt/callcard/bin/python -m compileall -q app migrations


FROM python:3.11-slim-bookworm

RUN useradd --system --user-group --uid 10001 --home-dir /data --no-create-home callcard \
    && install -d -o callcard -g callcard -m 0750 /data

# At the same paths as in the builder: the environment links to the code, so migrations/ is found beside app/.
COPY --from=builder /opt/callcard /opt/callcard
COPY --from=builder /srv/callcard /srv/callcard

ENV PATH=/opt/callcard/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    CALLCARD_ENV=production \
    CALLCARD_DATA_DIR=/data

WORKDIR /srv/callcard
# By number, so that the host may ask for a user that is not root.
USER 10001:10001
VOLUME ["/data"]
EXPOSE 8000

# No proxy stands between a container and itself, whatever http_proxy says.
HEALTHCHECK --interval=15s --timeout=5s --start-period=20s --retries=3 \
    CMD ["python", "-c", "import urllib.request as r; r.build_opener(r.ProxyHandler({})).open('http://127.0.0.1:8000/healthz', timeout=4)"]

CMD ["callcard", "serve", "--host", "0.0.0.0"]
