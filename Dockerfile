# The hub for production: web, worker and scheduler are this image with different commands (docker-compose.yml).
FROM python:3.12-slim-bookworm AS build
WORKDIR /source
ENV PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1
RUN python -m venv /opt/memoryhub
# The lock changes seldom: its layer is made anew only then.
COPY requirements.lock ./
RUN /opt/memoryhub/bin/pip install --require-hashes --no-deps -r requirements.lock
COPY . .
RUN /opt/memoryhub/bin/pip install --no-deps .

FROM python:3.12-slim-bookworm
RUN useradd --system --uid 10001 --create-home --home-dir /home/memoryhub memoryhub
COPY --from=build /opt/memoryhub /opt/memoryhub
ENV PATH=/opt/memoryhub/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    DJANGO_SETTINGS_MODULE=memoryhub.settings \
    MEMORYHUB_ENV_FILE=none \
    MEMORYHUB_DATA=/home/memoryhub/data
USER memoryhub
WORKDIR /home/memoryhub
EXPOSE 8000
HEALTHCHECK --interval=15s --timeout=5s --start-period=30s \
    CMD ["python", "-c", "import urllib.request; urllib.request.urlopen('http://127.0.0.1:8000/readyz', timeout=4)"]
# HTTP/1 only, and no access log: it would write addresses that hold tokens. The hub logs requests itself.
CMD ["granian", "--interface", "wsgi", "--host", "0.0.0.0", "--port", "8000", "--http", "1", "--no-ws", \
     "--workers", "2", "--blocking-threads", "24", "--respawn-failed-workers", "--no-access-log", \
     "memoryhub.wsgi:application"]
