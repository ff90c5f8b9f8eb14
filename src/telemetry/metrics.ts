/**
 * Metrics: every metric of the daemon: its name, help, labels and buckets, in one place. Data only.
 *
 * README.md lists the same table. The `process_*` and `nodejs_*` families come from prom-client and are not
 * listed here. Where the values come from is in families.ts.
 */
import { DURATION_BUCKETS_SECONDS } from "./worker-stats.ts";

export interface MetricSpec {
  readonly type: "counter" | "gauge" | "histogram";
  readonly help: string;
  readonly labels: readonly string[];
  /** Upper bounds, of a histogram only; +Inf is implied. */
  readonly buckets?: readonly number[];
}

export const METRIC_PREFIX = "traffic_switching_";

export const METRICS = {
  http_requests_total: {
    type: "counter",
    help: "Requests that ended, by the status answered (499: the client left first).",
    labels: ["version", "method", "code"],
  },
  http_request_duration_seconds: {
    type: "histogram",
    help: "Time from the request's head to the end of its answer.",
    labels: ["version"],
    buckets: DURATION_BUCKETS_SECONDS,
  },
  http_requests_in_flight: {
    type: "gauge",
    help: "Requests that run now.",
    labels: ["version"],
  },
  upgraded_connections: {
    type: "gauge",
    help: "Upgraded connections (WebSocket) that are open now.",
    labels: ["version"],
  },
  drain_remaining: {
    type: "gauge",
    help: "What still runs on a version that is drained: requests, streams of events, upgraded connections; else 0.",
    labels: ["version", "kind"],
  },
  client_connections: {
    type: "gauge",
    help: "Connections of clients that are open now.",
    labels: [],
  },
  client_connections_refused_total: {
    type: "counter",
    help: "Connections of clients that were refused, by the limit that was reached.",
    labels: ["reason"],
  },
  http_refusals_total: {
    type: "counter",
    help: "Requests that the proxy itself refused, by error code in lower case.",
    labels: ["reason"],
  },
  held_requests: {
    type: "gauge",
    help: "Requests that wait until a switch or a pause is over.",
    labels: [],
  },
  upstream_errors_total: {
    type: "counter",
    help: "Failures on the way to or from a backend, by error code in lower case.",
    labels: ["version", "reason"],
  },
  upstream_connections: {
    type: "gauge",
    help: "Connections to the backends: active (a request runs on it) or idle.",
    labels: ["version", "state"],
  },
  upstream_queued_requests: {
    type: "gauge",
    help: "Requests that wait for a connection to a backend.",
    labels: ["version"],
  },
  upstream_retries_total: {
    type: "counter",
    help: "Requests that were sent to a backend once more.",
    labels: [],
  },
  active_version: {
    type: "gauge",
    help: "1 for the version that serves, 0 for the others.",
    labels: ["version"],
  },
  switch_epoch: {
    type: "gauge",
    help: "Number of the switch in force; 0 before the first.",
    labels: [],
  },
  worker_applied_epoch: {
    type: "gauge",
    help: "Epoch that the worker last acknowledged.",
    labels: ["worker"],
  },
  switches_total: {
    type: "counter",
    help: "Switches and rollbacks that were tried, by how they ended: done, or why not (such as gate_refused).",
    labels: ["from", "to", "outcome", "trigger"],
  },
  switch_duration_seconds: {
    type: "histogram",
    help: "Time that each phase of a switch took.",
    labels: ["phase"],
    buckets: [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30],
  },
  paused: {
    type: "gauge",
    labels: [],
    help: "1 while POST /pause makes new requests wait.",
  },
  switch_cooldown_remaining_seconds: {
    type: "gauge",
    help: "Time until the next switch is allowed; 0 when it is allowed now.",
    labels: [],
  },
  backend_up: {
    type: "gauge",
    help: "1 when the backend is good, as its probes in the background say, or without them the last gate; 0 when not; absent until that is known.",
    labels: ["version", "backend"],
  },
  backend_ejected: {
    type: "gauge",
    help: "Workers that have ejected the backend, those that try it again included.",
    labels: ["version", "backend"],
  },
  backend_weight: {
    type: "gauge",
    help: "What counts of the backend's weight now, the mean over the workers; 0: it takes nothing.",
    labels: ["version", "backend"],
  },
  backend_in_flight: {
    type: "gauge",
    help: "Requests and upgraded connections that run on the backend now.",
    labels: ["version", "backend"],
  },
  backend_probe_age_seconds: {
    type: "gauge",
    help: "Time since the last probe in the background began; only where health is written.",
    labels: ["version", "backend"],
  },
  breaker_state: {
    type: "gauge",
    help: "Workers whose breaker of the backend is closed, half_open or open; only where breaker is written.",
    labels: ["version", "backend", "state"],
  },
  pool_panic: {
    type: "gauge",
    help: "1 while no backend of the version is fit in some worker, and all are used all the same.",
    labels: ["version"],
  },
  workers: {
    type: "gauge",
    help: "Workers by state: starting, listening, stopping, or missing (dead and not replaced yet).",
    labels: ["state"],
  },
  worker_silent: {
    type: "gauge",
    help: "1 when the worker did not answer in time and is counted with what it last said, else 0.",
    labels: ["worker"],
  },
  worker_resident_memory_bytes: {
    type: "gauge",
    help: "Resident memory of the worker.",
    labels: ["worker"],
  },
  worker_event_loop_delay_max_seconds: {
    type: "gauge",
    help: "Longest delay of the worker's event loop since its last report (about one second).",
    labels: ["worker"],
  },
  workers_gc_cycles_total: {
    type: "counter",
    help: "Garbage collections in all workers.",
    labels: [],
  },
  workers_gc_seconds_total: {
    type: "counter",
    help: "Time spent in garbage collection in all workers.",
    labels: [],
  },
  event_subscribers: {
    type: "gauge",
    help: "Clients that read GET /events now.",
    labels: [],
  },
  event_subscribers_dropped_total: {
    type: "counter",
    help: "Clients of GET /events that were cut off: slow (more than 64 KiB waited for them) or full (two came for the last place).",
    labels: ["reason"],
  },
  build_info: {
    type: "gauge",
    help: "Always 1; the labels say which build runs.",
    labels: ["version", "node"],
  },
} as const satisfies Record<string, MetricSpec>;

export type MetricKey = keyof typeof METRICS;
export type MetricLabels<K extends MetricKey> = Readonly<
  Record<(typeof METRICS)[K]["labels"][number], string>
>;
