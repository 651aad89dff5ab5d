import type { StepKey } from '#domain';
import type { Log } from '#runtime';
import type { EndCall, RunId } from './runs.js';

/**
 * Calls back whoever asked something of a run. What the call throws is the asker's own fault: it goes to the log, and neither the
 * engine, which may stand in the middle of a commit, nor the others who asked notice it.
 */
export const callBack = <Answer>(
  log: Log,
  runId: RunId,
  call: ((answer: Answer) => void) | null,
  answer: Answer,
): void => {
  try {
    call?.(answer);
  } catch (err) {
    log.error('who asked something of a run has failed over the answer', { runId, err });
  }
};

/** Somebody who waits for the state of a run, and who is answered by then, whatever the log does. */
export type Reader = { readonly call: (fault: Error | null) => void; readonly answerByMs: number };

/** Who waits to see a run. */
export type Readers = {
  /** Not answered by what is under way: on a shared log its outcome says nothing of what came after it began. */
  asked: Reader[] | null;
  /** Answered by the read or the append that is under way, which says as well that nothing else came before it. */
  answering: Reader[] | null;
};

/** What was asked so far is answered by what begins now. */
export const answeredNext = (readers: Readers): void => {
  const { asked, answering } = readers;
  if (asked === null) return;
  readers.answering = answering === null ? asked : [...answering, ...asked];
  readers.asked = null;
};

/** They look at the state in this turn of the event loop. */
export const answerReaders = (readers: Readers, fault: Error | null): void => {
  const { answering } = readers;
  if (answering === null) return;
  readers.answering = null;
  for (const { call } of answering) call(fault);
};

/** Who waits for the end of a run, or of a step of it. */
export class EndCalls {
  private readonly calls = new Set<EndCall>();
  /** Those of them that wait for a step. */
  private steps: Map<EndCall, StepKey> | null = null;

  get size(): number {
    return this.calls.size;
  }

  add(call: EndCall, step: StepKey | null): void {
    this.calls.add(call);
    if (step !== null) (this.steps ??= new Map()).set(call, step);
  }

  /** False when it does not wait any more. */
  delete(call: EndCall): boolean {
    this.steps?.delete(call);
    return this.calls.delete(call);
  }

  /** Those whose step has ended: they wait no more. */
  takeByStep(hasEnded: (step: StepKey) => boolean): readonly EndCall[] {
    if (this.steps === null || this.steps.size === 0) return NOBODY_WAITS;
    const taken = [...this.steps].filter(([, step]) => hasEnded(step)).map(([call]) => call);
    for (const call of taken) this.delete(call);
    return taken;
  }

  takeAll(): readonly EndCall[] {
    const taken = [...this.calls];
    this.calls.clear();
    this.steps = null;
    return taken;
  }

  moveTo(other: EndCalls): void {
    const { steps } = this;
    for (const call of this.takeAll()) other.add(call, steps?.get(call) ?? null);
  }
}

const NOBODY_WAITS: readonly EndCall[] = [];
