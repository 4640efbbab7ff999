"""Every metric of labelmill in one list. A service makes one `Metrics` with a registry of its own."""

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, disable_created_metrics
from prometheus_client.platform_collector import PlatformCollector
from prometheus_client.process_collector import ProcessCollector

_LATENCY = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30)
_LONG = (0.1, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 1800, 3600, 4 * 3600, 24 * 3600)


class Metrics:
    """The metrics, by attribute. Times are seconds, money is US dollars."""

    def __init__(self, registry: CollectorRegistry | None = None) -> None:
        disable_created_metrics()
        self.registry = registry or CollectorRegistry()
        ProcessCollector(registry=self.registry)
        PlatformCollector(registry=self.registry)
        self._common()
        self._autolabeler()
        self._review()
        self._trainer()

    def _common(self) -> None:
        # Records taken from a topic, good and bad.
        self.records = self._counter("labelmill_records_total", "Records consumed", "topic")
        # Records published to a topic and acknowledged.
        self.published = self._counter("labelmill_published_total", "Records published", "topic")
        # Records sent to a DLQ: anything above zero deserves a look.
        self.dead_letters = self._counter("labelmill_dead_letters_total", "Dead letters", "topic", "reason")
        # Records between the committed offset and the end of the topic, for the partitions held here.
        self.lag = self._gauge(
            "labelmill_consumer_lag_records", "Records not yet handled", "topic", "partition"
        )
        # Time to handle one batch; growing means the sink is the bottleneck.
        self.batch_seconds = self._histogram("labelmill_batch_seconds", "Time to handle a batch", "topic")
        # Calls waited out because the broker or the database was away.
        self.outage_retries = self._counter("labelmill_outage_retries_total", "Retries during an outage")

    def _autolabeler(self) -> None:
        # Calls to the LLM that were answered (paid for).
        self.llm_calls = self._counter("labelmill_llm_calls_total", "LLM calls answered", "project", "voter")
        # Calls that failed, by what went wrong (rate_limited, server_error, timeout, unusable).
        self.llm_errors = self._counter("labelmill_llm_errors_total", "LLM calls failed", "voter", "error")
        # Votes answered from the durable cache: money not spent.
        self.llm_cache_hits = self._counter(
            "labelmill_llm_cache_hits_total", "Votes from the cache", "project"
        )
        self.llm_tokens = self._counter(
            "labelmill_llm_tokens_total", "Tokens", "project", "voter", "direction"
        )
        self.llm_cost = self._counter("labelmill_llm_cost_usd_total", "Money spent", "project", "voter")
        self.llm_seconds = self._histogram("labelmill_llm_call_seconds", "Latency of an LLM call", "voter")
        self.llm_in_flight = self._gauge("labelmill_llm_calls_in_flight", "LLM calls in flight")
        # The adaptive limit that the calls in flight may reach.
        self.llm_limit = self._gauge("labelmill_llm_concurrency_limit", "Most LLM calls in flight")
        # 1 while the breaker is open (the provider fails, calls are held back).
        self.llm_breaker = self._gauge("labelmill_llm_breaker_open", "Circuit breaker open")
        # Caps on a day's money, and what all processes together have spent of them or hold in reserve.
        self.budget_cap = self._gauge("labelmill_budget_cap_usd", "Most money a day", "project")
        self.budget_used = self._gauge("labelmill_budget_used_usd", "Money used today", "project")
        # 1 while a voter is not paid because the day's budget is spent.
        self.budget_exhausted = self._gauge("labelmill_budget_exhausted", "Budget spent", "project", "voter")
        # Calls that wait for money: with `when_spent: park` until the next day.
        self.budget_waiting = self._gauge("labelmill_budget_waiting_calls", "Calls that wait for money")
        self.budget_refused = self._counter(
            "labelmill_budget_refused_calls_total", "Calls not made for want of money", "project", "voter"
        )
        # Items that wait for a batch. This and the next three are of all processes together: each tells the
        # same, so they are not to be added up.
        self.parked_items = self._gauge("labelmill_parked_items", "Items that wait for a batch")
        self.parked_seconds = self._gauge("labelmill_parked_oldest_seconds", "Longest wait of a parked item")
        # Questions that are gathered for a batch, or wait for the day's money.
        self.batch_waiting = self._gauge("labelmill_batch_waiting_questions", "Questions not in a batch yet")
        self.batches_open = self._gauge("labelmill_batches_open", "Batches under way")
        # Batches that ended, by how (completed, expired, failed, cancelled, refused, lost).
        self.batches = self._counter("labelmill_batches_total", "Batches ended", "model", "status")
        # Items the student answered without the LLM.
        self.student_only = self._counter("labelmill_student_only_total", "Items without an LLM", "project")
        # Items on which a labeling function failed and so abstained, by what went wrong.
        self.function_errors = self._counter(
            "labelmill_function_errors_total", "Labeling functions that failed", "project", "voter", "error"
        )
        self.scored = self._counter("labelmill_scored_total", "Items scored", "project")
        self.release = self._gauge("labelmill_release_number", "Release in use", "project")
        # Routing outcomes and the reasons for them.
        self.routed = self._counter("labelmill_routed_total", "Items routed", "project", "outcome", "reason")

    def _review(self) -> None:
        self.ingested = self._counter("labelmill_ingested_total", "Items acknowledged", "project")
        self.rejected = self._counter("labelmill_ingest_rejected_total", "Items refused", "reason")
        self.final_labels = self._counter("labelmill_final_labels_total", "Final labels", "project", "source")
        self.decisions = self._counter("labelmill_decisions_total", "Decisions by people", "project")
        self.corrections = self._counter("labelmill_corrections_total", "Machine labels overruled", "project")
        # Doubtful decisions: `opened` again, and then `confirmed` or `changed`. They are no open tasks.
        self.rereviews = self._counter(
            "labelmill_rereviews_total", "Doubtful decisions", "project", "outcome"
        )
        # Answers to gold: `right` or `wrong`.
        self.gold_answers = self._counter(
            "labelmill_gold_answers_total", "Answers to gold", "project", "outcome"
        )
        # Reviewers paused: by their `accuracy` on gold, or because they did not pass the `training`.
        self.pauses = self._counter("labelmill_pauses_total", "Reviewers paused", "project", "cause")
        self.paused_reviewers = self._gauge(
            "labelmill_paused_reviewers", "Reviewers who are paused", "project"
        )
        self.open_tasks = self._gauge("labelmill_open_tasks", "Tasks waiting for people", "project")
        # Both as counted some seconds ago; in a project without an SLA nothing is late.
        self.oldest_task = self._gauge(
            "labelmill_oldest_task_age_seconds", "Age of the oldest task waiting for people", "project"
        )
        self.late_tasks = self._gauge(
            "labelmill_late_tasks", "Tasks that wait for longer than the project's SLA", "project"
        )
        # People whose pay for an hour of active time was below the project's floor, yesterday or today. Each
        # process tells the same, so they are not to be added up.
        self.below_floor = self._gauge(
            "labelmill_reviewers_below_floor", "Reviewers paid below the floor", "project"
        )
        self.outbox = self._gauge("labelmill_outbox_records", "Decisions not yet published")
        self.http_seconds = self._histogram(
            "labelmill_http_seconds", "Latency of a request", "route", "status"
        )
        self.throttled = self._counter(
            "labelmill_throttled_total", "Requests refused because they came too fast", "by"
        )
        # Seconds from ingestion to the final label; people may take hours.
        self.item_seconds = self._histogram(
            "labelmill_item_seconds", "Ingestion to final label", "source", buckets=_LONG
        )

    def _trainer(self) -> None:
        self.trainings = self._counter("labelmill_trainings_total", "Trainings", "project", "outcome")
        self.training_seconds = self._histogram(
            "labelmill_training_seconds", "Time of a training", "project", buckets=_LONG
        )
        self.heldout_accuracy = self._gauge(
            "labelmill_heldout_accuracy", "Accuracy on held-out decisions", "project"
        )
        self.dataset_decisions = self._gauge(
            "labelmill_dataset_decisions", "Decisions in the dataset", "project"
        )
        # The promise: whether labels are accepted, how often it was broken, what it lacks, how it stands.
        self.promise_open = self._gauge("labelmill_promise_open", "1 while labels are accepted", "project")
        self.promise_alarms = self._gauge("labelmill_promise_alarms", "Promises found broken", "project")
        self.audits_missing = self._gauge(
            "labelmill_promise_audits_missing", "Blind audits until more is accepted", "project"
        )
        self.error_bound = self._gauge(
            "labelmill_promise_error_bound", "Upper bound on the accepted labels' error", "project"
        )

    def _counter(self, name: str, text: str, *labels: str) -> Counter:
        return Counter(name, text, labels, registry=self.registry)

    def _gauge(self, name: str, text: str, *labels: str) -> Gauge:
        return Gauge(name, text, labels, registry=self.registry)

    def _histogram(
        self, name: str, text: str, *labels: str, buckets: tuple[float, ...] = _LATENCY
    ) -> Histogram:
        return Histogram(name, text, labels, registry=self.registry, buckets=buckets)
