import type { MetricSources } from '#runtime';
import type { KafkaTrigger } from './kafka/kafka-trigger.js';
import type { Relay } from './relay.js';

/** `null`: nothing is published from here. */
export const relayMetrics = (relay: Relay | null): MetricSources =>
  relay === null
    ? {}
    : {
        stepwell_relay_leads: () => (relay.leads ? 1 : 0),
        stepwell_relay_events_published_total: () => relay.state.published,
        stepwell_relay_events_truncated_total: () => relay.state.truncated,
        stepwell_relay_appends_parked_total: () => relay.state.parked,
        stepwell_relay_lag_events: () => relay.lag.events,
        stepwell_relay_lag_seconds: () => relay.lag.seconds,
        stepwell_relay_caught_up: () => (relay.lag.caughtUp ? 1 : 0),
      };

/** `null`: no message starts a run here. */
export const triggerMetrics = (trigger: KafkaTrigger | null): MetricSources =>
  trigger === null
    ? {}
    : {
        stepwell_trigger_runs_started_total: () => trigger.state.started,
        stepwell_trigger_replays_total: () => trigger.state.replayed,
        stepwell_trigger_dead_letters_total: () => trigger.state.deadLettered,
        stepwell_trigger_lag_messages: () => trigger.lag.messages,
        stepwell_trigger_lag_seconds: () => trigger.lag.seconds,
      };
