"""What Prometheus reads: counts that this web server's processes share, and gauges read from the database."""

from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from functools import lru_cache

from prometheus_client import CollectorRegistry, Histogram, generate_latest
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.multiprocess import MultiProcessCollector
from prometheus_client.registry import Collector
from prometheus_client.values import ValueClass

from apps.federation.counting import PUSHES
from apps.federation.queries import agents_seen
from apps.jobs.queries import counts_by_kind
from apps.operations import counterfile, queries
from apps.snapshots.alarms import KINDS, longest_lag_s
from apps.snapshots.alarms import alarms as snapshot_alarms

counterfile.install()

REQUEST_SECONDS = Histogram(
    "memoryhub_request_seconds",
    "Time from the request to the start of its answer, by route.",
    ["method", "route", "status"],
    buckets=(0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 10),
    registry=None,
)
METHODS = frozenset({"GET", "HEAD", "PUT", "POST", "PATCH", "DELETE", "OPTIONS"})
CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"


@lru_cache(maxsize=4096)
def _request_seconds(method: str, route: str, status: int) -> Histogram:
    return REQUEST_SECONDS.labels(method if method in METHODS else "other", route, status)


def observe_request(method: str, route: str, status: int, seconds: float) -> None:
    """Count one request. `route` is the pattern, so that the number of series stays bounded.

    On a full disk it may go uncounted.
    """
    with suppress(OSError):
        _request_seconds(method, route, status).observe(seconds)


class HubCollector(Collector):
    """Gauges of the whole hub, the same whichever process is asked. Reads the database at each scrape."""

    def collect(self) -> Iterator[Metric]:
        jobs = GaugeMetricFamily("memoryhub_jobs", "Jobs by kind and state.", labels=["kind", "state"])
        for kind, state, count in counts_by_kind():
            jobs.add_metric([kind, state], count)
        yield jobs
        totals = queries.totals()
        usage = totals.usage
        yield GaugeMetricFamily(
            "memoryhub_oldest_due_job_seconds",
            "How long the longest-due job has waited.",
            value=totals.oldest_due_job_s,
        )
        yield GaugeMetricFamily(
            "memoryhub_last_tick_age_seconds",
            "How long ago the scheduler was last seen alive.",
            value=totals.last_tick_age_s,
        )
        alarms = GaugeMetricFamily(
            "memoryhub_snapshot_alarms", "What is wrong with copies of snapshots, by kind.", labels=["kind"]
        )
        raised = Counter(alarm.kind for alarm in snapshot_alarms())
        for kind in KINDS:
            alarms.add_metric([kind], raised[kind])
        yield alarms
        yield GaugeMetricFamily(
            "memoryhub_copy_lag_seconds",
            "How long changes of some workspace have not been in its target, the longest of all.",
            value=longest_lag_s(),
        )
        yield GaugeMetricFamily("memoryhub_workspaces", "Workspaces that are not archived.", value=usage.workspaces)
        yield GaugeMetricFamily("memoryhub_files", "Live files.", value=usage.live_files)
        yield GaugeMetricFamily("memoryhub_live_bytes", "Bytes in live files.", value=usage.live_bytes)
        yield GaugeMetricFamily("memoryhub_stored_bytes", "Bytes kept, history included.", value=usage.stored_bytes)
        yield GaugeMetricFamily(
            "memoryhub_agents_seen", "Agents that pushed a summary in the last 24 hours.", value=agents_seen()
        )


def exposition() -> bytes:
    """Everything, in Prometheus's text format. Nine queries.

    With a shared directory the counts are those of all processes of this web server, else of this one.
    """
    registry = CollectorRegistry()
    if ValueClass.__name__ == "MmapedValue":
        MultiProcessCollector(registry)
    else:
        for counted in (REQUEST_SECONDS, PUSHES):
            registry.register(counted)
    registry.register(HubCollector())
    return generate_latest(registry)
