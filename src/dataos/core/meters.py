"""What a server counts and times while it works, for `/metrics` (OpenMetrics). Each server has its own; nothing is
global. What can be asked of the store is not counted here but asked when somebody looks (`server.gauges`).
"""

from __future__ import annotations

from collections import OrderedDict

from prometheus_client import CollectorRegistry, Counter, Histogram
from prometheus_client.process_collector import ProcessCollector

_FAST = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0)
_SLOW = (0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0, 1800.0)


_REMEMBERED = 1000


class Meters:
    """Counters and histograms. Label values come from closed sets (states, routes, kinds of units), not from users."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self._counted: OrderedDict[str, None] = OrderedDict()
        ProcessCollector(registry=self.registry)
        self._http = Histogram(
            "dataos_http_request_duration_seconds",
            "Time to the end of an answer, by route.",
            ("method", "route", "status"),
            registry=self.registry,
            buckets=_FAST,
        )
        self._looks = Histogram(
            "dataos_reconcile_duration_seconds",
            "Time of a look at a unit (resource, run, job).",
            ("unit",),
            registry=self.registry,
            buckets=_FAST,
        )
        self._failed = Counter(
            "dataos_reconcile_errors", "Looks that failed or crashed, by error code.", ("unit", "code"),
            registry=self.registry,
        )  # fmt: skip
        self._store = Histogram(
            "dataos_store_duration_seconds",
            "Time of a unit of work in the store, waiting for its turn included.",
            ("kind",),
            registry=self.registry,
            buckets=_FAST,
        )
        self._runs = Counter("dataos_runs_ended", "Runs that ended, by outcome.", ("outcome",), registry=self.registry)
        self._attempts = Counter(
            "dataos_attempts_ended", "Attempts of jobs that ended, by outcome.", ("outcome",), registry=self.registry
        )
        self._reports = Counter(
            "dataos_iceberg_reports",
            "Scans and commits that Iceberg clients reported.",
            ("kind",),
            registry=self.registry,
        )
        self._delay = Histogram(
            "dataos_job_start_delay_seconds",
            "From the moment at which a job may begin (its run was made, what it depends on ended) to its process.",
            registry=self.registry,
            buckets=_SLOW,
        )
        for outcome in ("succeeded", "failed", "aborted"):
            self._runs.labels(outcome)
            self._attempts.labels(outcome)

    def reported(self, kind: str) -> None:
        """An Iceberg client told of a scan or a commit."""
        self._reports.labels(kind if kind in ("scan", "commit") else "other").inc()

    def called(self, method: str, route: str, status: int, seconds: float) -> None:
        """An HTTP call ended."""
        self._http.labels(method, route, str(status)).observe(seconds)

    def looked(self, unit: str, seconds: float, failure: str = "") -> None:
        """A look at a unit ended; `failure` is its error code."""
        self._looks.labels(unit).observe(seconds)
        if failure:
            self._failed.labels(unit, failure).inc()

    def stored(self, kind: str, seconds: float) -> None:
        """A unit of work (`read`, `write`) ended. Called from worker threads too."""
        self._store.labels(kind).observe(seconds)

    def run_ended(self, run: str, outcome: str) -> None:
        """A run ended; said again (a transaction may be repeated), it counts once."""
        if run in self._counted:
            return
        self._counted[run] = None
        while len(self._counted) > _REMEMBERED:
            self._counted.popitem(last=False)
        self._runs.labels(outcome).inc()

    def attempt_ended(self, outcome: str) -> None:
        """An attempt ended."""
        self._attempts.labels(outcome).inc()

    def started(self, delay_s: float) -> None:
        """A job's process started."""
        self._delay.observe(max(0.0, delay_s))
