import type { StepKey } from '#domain';
import type { RunId } from '#engine';
import type { Span, Tracer } from '#runtime';
import type { Verdict } from './classify.js';

export type AttemptOf = { readonly runId: RunId; readonly step: StepKey; readonly attempt: number };

/** The span of one attempt, below the request that started its run: its id goes out to the application. */
export const attemptSpan = (tracer: Tracer, { runId, step, attempt }: AttemptOf, parent: string, url: string): Span =>
  tracer.begin({
    name: `attempt ${step}`,
    kind: 'client',
    parent,
    attributes: {
      'stepwell.run_id': runId,
      'stepwell.step': step,
      'stepwell.attempt': attempt,
      'url.full': url.split('?')[0]!, // a query may hold what is nobody's business
    },
  });

export const endAttemptSpan = (span: Span, verdict: Verdict): void => {
  const status = verdict.status === null ? undefined : { 'http.response.status_code': verdict.status };
  const outcome = { 'stepwell.outcome': verdict.succeeded ? 'succeeded' : verdict.class, ...status };
  span.end(outcome, verdict.succeeded ? null : verdict.error.name);
};
