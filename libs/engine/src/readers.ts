import type { Log } from '#runtime';
import type { RunId } from './runs.js';

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
