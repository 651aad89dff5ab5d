/** A metric of `/metrics`: what it is, and every label it may bear. */
export type Metric = {
  readonly type: 'counter' | 'gauge' | 'histogram';
  readonly help: string;
  /** With what its values may be: their number is bounded. */
  readonly labels: Readonly<Record<string, string>>;
};

const NO_LABELS = {} as const;
const counter = (help: string) => ({ type: 'counter', help, labels: NO_LABELS }) as const;
const counterBy = <Labels extends Metric['labels']>(labels: Labels, help: string) =>
  ({ type: 'counter', help, labels }) as const;
const gauge = (help: string) => ({ type: 'gauge', help, labels: NO_LABELS }) as const;
const gaugeBy = <Labels extends Metric['labels']>(labels: Labels, help: string) =>
  ({ type: 'gauge', help, labels }) as const;
const histogram = (help: string) => ({ type: 'histogram', help, labels: NO_LABELS }) as const;

/**
 * Every metric of ours, in the order of `docs/metrics.md`, which is written from this table (`npm run metrics:write`).
 * Counters begin at 0 with the process.
 */
export const METRICS = {
  stepwell_runs_started_total: counter('Runs whose first event this process appended.'),
  stepwell_runs_ended_total: counterBy(
    { status: '`completed`, `failed`, `cancelled`, `timed-out`' },
    'Runs whose end this process appended.',
  ),
  stepwell_runs_open: gauge('Runs not yet ended, of the shards that this process owns; up to two seconds old.'),
  stepwell_attempts_total: counterBy(
    {
      class: '`succeeded`, `refused`, `not-executed`, `may-have-executed`',
      target: 'the origin; the first 100 that the process meets, all others are `other`',
    },
    'Attempts that are over.',
  ),
  stepwell_attempts_unknown_total: counter(
    'Attempts of an earlier owner that were found in flight: their outcome is unknown.',
  ),
  stepwell_attempts_superseded_total: counter('Answers that came for an attempt that was over already; dropped.'),
  stepwell_attempts_in_flight: gauge('Attempts in flight now.'),
  stepwell_attempts_waiting: gauge('Runs in line for a slot now: the depth of the queue.'),
  stepwell_breakers: gaugeBy(
    { state: '`open`: left alone; `half-open`: tried by one attempt' },
    'Origins and endpoints that are down, as this process has seen them; `GET /v1/node` names a hundred of them.',
  ),
  stepwell_duplicate_starts_total: counterBy(
    { answer: '`replayed`, `refused`' },
    'Starts whose key was known: answered as the first one was, or refused for another payload.',
  ),
  stepwell_append_seconds: histogram("From handing an append of a run's events to the event store until its outcome."),
  stepwell_appends_total: counterBy(
    { outcome: '`appended`, `conflict`, `unknown`' },
    "Appends of runs' events, by outcome. An unknown one is repeated, and counted again once it has another outcome.",
  ),
  stepwell_runs_parked: gauge(
    'Runs that a bug has stopped here: nothing is done for them until the process starts again.',
  ),
  stepwell_appends_held: gauge('Appends that wait for a log that does not answer; they are sent when it does.'),
  stepwell_append_conflicts_total: counter('Appends that found their stream elsewhere and were decided anew.'),
  stepwell_projector_leads: gauge('1 in the one process that writes the views, 0 in those that stand by.'),
  stepwell_view_lag_events: gauge('Events of runs read from the log, not yet in the views; 0 where it stands by.'),
  stepwell_view_lag_seconds: gauge('Age of the oldest event that is read and not yet in the views.'),
  stepwell_view_caught_up: gauge(
    '0 while older events are still read from disk, the true lag being larger, and where it stands by.',
  ),
  stepwell_view_parked_streams: gauge('Streams whose events the views could not fold; at most 100 are counted.'),
  stepwell_relay_leads: gauge('1 in the one process that publishes events to Kafka, 0 in those that stand by.'),
  stepwell_relay_events_published_total: counter('Events that Kafka has acknowledged.'),
  stepwell_relay_events_truncated_total: counter(
    'Events among them that the broker found too large, and that went without their data.',
  ),
  stepwell_relay_appends_parked_total: counter('Appends that could not be read as events, and were not published.'),
  stepwell_relay_lag_events: gauge('Events read from the log and not yet acknowledged by Kafka.'),
  stepwell_relay_lag_seconds: gauge('Age of the oldest event that is not yet published to Kafka.'),
  stepwell_relay_caught_up: gauge('0 while the log holds more than was read, and where it stands by.'),
  stepwell_trigger_runs_started_total: counter('Runs started for messages of the trigger topic.'),
  stepwell_trigger_replays_total: counter('Messages whose run had been started before.'),
  stepwell_trigger_dead_letters_total: counter('Messages that can start no run and went to the dead-letter topic.'),
  stepwell_trigger_lag_messages: gauge('Messages of the partitions of this process that are not handled yet.'),
  stepwell_trigger_lag_seconds: gauge('Age of the oldest of them.'),
  stepwell_shards_owned: gauge('Shards of 64 that this process owns.'),
  stepwell_shard_take_overs_total: counter('Shards taken over from an owner that did not let go of them.'),
  stepwell_obligations_overdue_total: counter('Runs found 30 s past what they owe with nobody at work on them.'),
  stepwell_http_requests_total: counterBy(
    { method: 'of HTTP', route: "the route's pattern; `unmatched` for all other paths", status: 'of HTTP' },
    'Answers to HTTP requests that could be read.',
  ),
} satisfies Readonly<Record<string, Metric>>;

export type MetricName = keyof typeof METRICS;
