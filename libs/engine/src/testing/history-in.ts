import { foldHistory, type HistoryAttempt, type HistoryState, type RunHistory } from '#domain';
import { decodeRunEvent, runStream, type EventStore } from '#event-store';
import type { RunId } from '../runs.js';

/** All that the log says of a run: the engine has forgotten what is over. */
export const historyIn = async (store: Pick<EventStore, 'readStream'>, runId: RunId): Promise<RunHistory> => {
  let history: HistoryState | null = null;
  for (const { type, v, data, recordedAt } of await store.readStream(runStream(runId)))
    history = foldHistory(history, decodeRunEvent(type, v, data), recordedAt);
  if (history === null) throw new Error(`no run ${runId}`);
  return history;
};

/** All attempts of a run, step by step. */
export const attemptsIn = async (
  store: Pick<EventStore, 'readStream'>,
  runId: RunId,
): Promise<readonly HistoryAttempt[]> =>
  [...(await historyIn(store, runId)).steps.values()].flatMap(({ attempts }) => attempts);
