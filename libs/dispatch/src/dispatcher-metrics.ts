import type { MetricSources } from '#runtime';
import type { Dispatcher } from './dispatcher.js';
import type { OpenRuns } from './open-runs/open-runs.js';
import type { ShardOwnership } from './shards/shard-ownership.js';

export const dispatcherMetrics = (
  dispatcher: Dispatcher,
  openRuns: OpenRuns,
  ownership: ShardOwnership,
): MetricSources => ({
  stepwell_runs_open: () => openRuns.count(ownership.status().shards),
  stepwell_attempts_total: () => dispatcher.counts.entries(),
  stepwell_attempts_superseded_total: () => dispatcher.load.superseded,
  stepwell_attempts_in_flight: () => dispatcher.load.inFlight,
  stepwell_attempts_waiting: () => dispatcher.load.waiting,
  stepwell_breakers: () => {
    const { counts } = dispatcher.breakers;
    return (['open', 'half-open'] as const).map((state) => ({ labels: { state }, value: counts[state] }));
  },
  stepwell_obligations_overdue_total: () => dispatcher.load.overdue,
  stepwell_shards_owned: () => ownership.status().shards.length,
  stepwell_shard_take_overs_total: () => {
    const { silent, died } = ownership.status().taken;
    return silent + died;
  },
});
