import type { Position } from '#event-store';
import type { ViewStore } from '#views';

/** Lists out of the views, and how to wait until they have reached a position. */
export abstract class RunLists {
  abstract listRuns(...query: Parameters<ViewStore['listRuns']>): ReturnType<ViewStore['listRuns']>;
  abstract listSteps(...query: Parameters<ViewStore['listSteps']>): ReturnType<ViewStore['listSteps']>;
  abstract waitFor(position: Position, timeoutMs: number): Promise<boolean>;
}
