import type { MetricSources } from '#runtime';
import type { ViewProjector } from './view-projector.js';
import type { ViewStore } from './view-store.js';

export const viewMetrics = (projector: ViewProjector, views: Pick<ViewStore, 'parked'>): MetricSources => ({
  stepwell_projector_leads: () => (projector.leads ? 1 : 0),
  stepwell_view_lag_events: () => projector.lag.events,
  stepwell_view_lag_seconds: () => projector.lag.seconds,
  stepwell_view_caught_up: () => (projector.lag.caughtUp ? 1 : 0),
  // A store that does not answer is told of by readiness; the other metrics are wanted then the more.
  stepwell_view_parked_streams: async () => (await views.parked().catch(() => [])).length,
});
