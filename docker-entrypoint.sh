#!/bin/sh
# What a container of the image does, by its first word:
#   web                    the web server; without DATABASE_URL a whole hub on the volume /data (the default)
#   coordinator            a web server for agents alone: the coordinator of AGMEM_COORDINATOR_WORKSPACE
#   worker, beat, migrate  the other parts of a hub on services of its own
#   healthy [PATH]         ends with 0 while the container does its work: what HEALTHCHECK runs
# Anything else is run as it stands. PORT moves the web servers from 8000.
set -eu

port=${PORT:-8000}
temporary=${TMPDIR:-/tmp}

# initdb wants a name for its user. The ids of `docker run --user 1234` and of OpenShift have none.
name_this_user() {
    ! getent passwd "$(id -u)" >/dev/null || return 0
    printf 'memoryhub:x:%s:%s:memoryhub:%s:/bin/sh\n' "$(id -u)" "$(id -g)" "$HOME" >"$temporary/passwd"
    export LD_PRELOAD=libnss_wrapper.so NSS_WRAPPER_PASSWD="$temporary/passwd" NSS_WRAPPER_GROUP=/etc/group
}

# A killed process leaves bodies that it was receiving, and a pulse that is none; nobody else writes here.
clear_leftovers() {
    mkdir -p "$temporary"
    find "$temporary" -maxdepth 1 -type f -name 'memoryhub-spool-*' -delete
    [ -z "${MEMORYHUB_PULSE_FILE:-}" ] || rm -f "$MEMORYHUB_PULSE_FILE"
}

# HTTP/1 only, and no access log: it would write addresses that hold tokens. The hub logs requests itself.
serve() {
    application=$1 workers=$2
    shift 2
    exec granian --interface wsgi --host 0.0.0.0 --port "$port" --http 1 --no-ws --workers "$workers" \
        --blocking-threads 24 --workers-kill-timeout 10 --respawn-failed-workers --no-access-log "$@" \
        "memoryhub.wsgi:$application"
}

case ${1:-web} in
web)
    [ $# -eq 0 ] || shift
    clear_leftovers
    if [ -z "${DATABASE_URL:-}${DATABASE_URL_FILE:-}" ]; then
        name_this_user
        export AGMEM_COORDINATOR_HOST="${AGMEM_COORDINATOR_HOST:-0.0.0.0}"
        exec memoryhub up --host 0.0.0.0 --port "$port" "$@"
    fi
    serve application 2 "$@"
    ;;
coordinator)
    shift
    clear_leftovers
    serve coordinator 1 "$@"
    ;;
worker)
    shift
    clear_leftovers
    exec celery --app memoryhub worker --pool threads --concurrency 4 --without-gossip --without-mingle "$@"
    ;;
beat)
    shift
    clear_leftovers
    exec celery --app memoryhub beat --schedule "$temporary/beat-schedule" "$@"
    ;;
migrate)
    shift
    # First of all services that are started together, so it is the one to say what is missing.
    python -m memoryhub.settings.start
    exec python -m django migrate --no-input "$@"
    ;;
healthy)
    if [ -z "${MEMORYHUB_PULSE_FILE:-}" ]; then
        # Not through a proxy that the environment may name, as urllib would.
        exec python -I - "$port" "${2:-/readyz}" <<'PYTHON'
import http.client, sys
connection = http.client.HTTPConnection("127.0.0.1", int(sys.argv[1]), timeout=8)
try:
    connection.request("GET", sys.argv[2])
    answer = connection.getresponse()
    print(answer.status, answer.read(1000).decode(errors="replace"))
except OSError as error:
    sys.exit(f"The web server does not answer: {error}")
sys.exit(answer.status != 200)
PYTHON
    fi
    [ -n "$(find "$MEMORYHUB_PULSE_FILE" -newermt '60 seconds ago' 2>/dev/null)" ] ||
        { echo "No sign of life for 60 seconds."; exit 1; }
    ;;
*)
    exec "$@"
    ;;
esac
