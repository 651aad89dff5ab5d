import type { MetricSources } from '#runtime';
import type { Dispatcher } from './dispatcher.js';
import type { OpenRuns } from './open-runs/open-runs.js';

export const dispatcherMetrics = (dispatcher: Dispatcher, openRuns: OpenRuns): MetricSources => ({
  stepwell_runs_open: () => openRuns.count(),
  stepwell_attempts_total: () => dispatcher.counts.entries(),
  stepwell_attempts_superseded_total: () => dispatcher.load.superseded,
  stepwell_attempts_in_flight: () => dispatcher.load.inFlight,
  stepwell_attempts_waiting: () => dispatcher.load.waiting,
  stepwell_obligations_overdue_total: () => dispatcher.load.overdue,
});
