import { isBelow, type Run, type StepKey } from '#domain';
import { decodeRunEvent, type NewEvent } from '#event-store';
import type { Log } from '#runtime';
import type { RunId } from './runs.js';

/**
 * What the log of the process says of a commit: at info what failed for good, at debug what began. Ids and names alone, no
 * payload and no cause, which may quote one.
 */
export const writeRunLines = (log: Log, runId: RunId, { started }: Run, events: readonly NewEvent[]): void => {
  let failed: StepKey | null = null;
  for (const { type, v, data } of events) {
    if (type === 'RunStarted') log.debug('a run has started', { runId, workflow: started.workflow });
    // Few of many events: the rest is not decoded again.
    else if (type === 'StepFailed' || type === 'RunFailed' || type === 'RunTimedOut') {
      const event = decodeRunEvent(type, v, data);
      if (event.type === 'RunTimedOut')
        log.info('a run has timed out', { runId, workflow: started.workflow, error: event.error.name });
      else if (event.type === 'RunFailed')
        log.info('a run has failed', { runId, workflow: started.workflow, step: event.step, error: event.error.name });
      else if (event.type === 'StepFailed') {
        // A container fails with the step inside that has.
        if (failed === null || !isBelow(failed, event.step))
          log.info('a step has failed for good', { runId, step: event.step, error: event.error.name });
        failed = event.step;
      }
    }
  }
};
