# The hub in one image: web, worker, scheduler and migrations are different words for docker-entrypoint.sh. Without
# DATABASE_URL it is a whole hub on the volume /data.
#   docker build --target core -t memoryhub:core .
FROM python:3.12-slim-bookworm AS build
ENV PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1
WORKDIR /source
RUN python -m venv /opt/memoryhub && python -m venv /opt/build
# The locks change seldom: this layer is made anew only then. Everything comes as a wheel, so there is no compiler.
COPY requirements.lock requirements-build.lock ./
RUN /opt/memoryhub/bin/pip install --require-hashes --no-deps --only-binary :all: -r requirements.lock \
    && /opt/build/bin/pip install --require-hashes --no-deps --only-binary :all: -r requirements-build.lock
COPY . .
RUN /opt/build/bin/hatchling build -t wheel -d /dist \
    && /opt/memoryhub/bin/pip install --no-index --no-deps /dist/*.whl

FROM python:3.12-slim-bookworm AS hub
# tini, since a hub in one container leaves children behind when one of its parts is killed; libnss-wrapper gives a name
# to a user id that has none. Debian's release pins their versions, and an older one would be gone from its mirror.
# hadolint ignore=DL3008
RUN apt-get update \
    && apt-get install --yes --no-install-recommends libnss-wrapper tini \
    && rm -rf /var/lib/apt/lists/* \
    && useradd --no-log-init --uid 10001 --gid 0 --create-home --home-dir /home/memoryhub memoryhub \
    && mkdir /data \
    && chown 10001:0 /data \
    # Any other user id may be given as well, if it is of the group 0, as Docker and OpenShift do by default.
    && chmod 0770 /data /home/memoryhub
COPY --from=build /opt/memoryhub /opt/memoryhub
COPY docker-entrypoint.sh /usr/local/bin/
ENV PATH=/opt/memoryhub/bin:$PATH \
    HOME=/home/memoryhub \
    PYTHONUNBUFFERED=1 \
    DJANGO_SETTINGS_MODULE=memoryhub.settings \
    MEMORYHUB_ENV_FILE=none \
    # A directory of its own: PostgreSQL must own it, and a mounted volume may belong to root.
    MEMORYHUB_DATA=/data/hub
USER 10001:0
WORKDIR /
VOLUME /data
EXPOSE 8000
# The first start makes a database, which takes a while on a small machine.
HEALTHCHECK --interval=10s --timeout=10s --start-period=120s --retries=3 CMD ["docker-entrypoint.sh", "healthy"]
ENTRYPOINT ["tini", "--", "docker-entrypoint.sh"]
CMD ["web"]

# For those who build by this name. Text extraction is no part of the hub yet, so the image is the same.
FROM hub AS extract
# S3 is always in. The argument is taken so that older build commands go on working.
ARG ENABLE_CLOUD_SYNC=true

# What is built without --target.
FROM hub AS core
ARG ENABLE_CLOUD_SYNC=true
