import { DEFAULT_RUN_LIMITS, toMs } from '#domain';
import type { RunId } from '#engine';
import { shardOf } from '#event-store';
import { HistoryChecker } from '../../libs/domain/src/testing/history-checker.js';
import type { Entry } from './ledger.js';
import type { World } from './processes.js';
import type { Witness } from './witness.js';

/**
 * What is wrong with a run when all is over: with its history, and with what it says of the application and of dispatchers.
 * `areClocksTrue`: all processes had the time of the world, which can be held against what they did.
 */
export const judged = (runId: RunId, { ledger, witness, plan, table }: World, areClocksTrue: boolean): string[] => {
  const entries = ledger.of(runId);
  const wrong: string[] = [];
  const checker = new HistoryChecker(plan, DEFAULT_RUN_LIMITS);
  try {
    for (const { event, recordedAt } of entries) checker.record(event, toMs(recordedAt));
  } catch (fault) {
    wrong.push(fault instanceof Error ? fault.message : String(fault));
  }
  for (const entry of entries) {
    wrong.push(...faultsOf(entry, runId, witness));
    const { event, recordedAt } = entry;
    if (!areClocksTrue || event.type !== 'AttemptStarted') continue;
    const owner = table.ownerAt(shardOf(runId), toMs(recordedAt));
    if (owner !== event.dispatcher)
      wrong.push(
        `${event.dispatcher} has decided on attempt ${event.step} ${event.attempt} while ${owner} owned the shard`,
      );
  }
  return wrong.map((what) => `${runId}: ${what}`);
};

/** What the log says of others, held against them. */
const faultsOf = ({ event, actor }: Entry, runId: RunId, witness: Witness): string[] => {
  switch (event.type) {
    case 'AttemptStarted':
      return event.dispatcher === actor
        ? []
        : [`${event.dispatcher} was granted an attempt, and ${actor} has written it`];
    case 'AttemptSucceeded': {
      const given = witness.answerTo(runId, event.step, event.attempt);
      const said = `${event.status} ${event.output}`;
      return said === given ? [] : [`${event.step} ${event.attempt} was answered ${given}, and the log says ${said}`];
    }
    case 'AttemptFailed': {
      const given = witness.answerTo(runId, event.step, event.attempt);
      const wrong: string[] = [];
      if (event.status !== null && given?.startsWith(`${event.status} `) !== true)
        wrong.push(`${event.step} ${event.attempt} was answered ${given}, and the log says ${event.status}`);
      if (event.class === 'not-executed' && witness.wasReceived(runId, event.step, event.attempt))
        wrong.push(`${event.step} ${event.attempt} was received, and the log says that it was not executed`);
      return wrong;
    }
    case 'StepCancelled':
      return event.attempts
        .filter(
          ({ step, attempt, class: failure }) =>
            failure === 'not-executed' && witness.wasReceived(runId, step, attempt),
        )
        .map(({ step }) => `${step} was received, and the log says that it was not executed`);
    default:
      return [];
  }
};
