import { foldHistory, isEnded, isStepEnded, type HistoryState, type RunHistory } from '#domain';
import type { EventStore, RecordedEvent } from '#event-store';
import { decodeRunEvent, runStream } from '#event-store';
import { encodeCursor } from './run-list-cursor.js';
import type { StepsTable } from './run-list-tables.js';
import { PLACES_A_RUN, isWantedStep, rowOfStep } from './step-list-rows.js';
import { stepPage } from './step-list-statements.js';
import type { StepListAnswer, StepListPage, StepListQuery, StepRun, ViewStore } from './view-store.js';

/** No further stream is begun for a page after so many events. */
export const EVENTS_LOOKED_AT_MAX = 20_000;
const READ_AT_ONCE = 8;

/**
 * Lists of steps across runs. The views have rows of steps that are open or ended badly; lists that may hold completed
 * ones are folded from the streams of the runs in question, each up to where the views stand, so that the answer is of one
 * position in any case.
 */
export class StepList {
  readonly #views: Pick<ViewStore, 'listSteps'>;
  readonly #log: Pick<EventStore, 'readStream'>;

  constructor(views: Pick<ViewStore, 'listSteps'>, log: Pick<EventStore, 'readStream'>) {
    this.#views = views;
    this.#log = log;
  }

  async list(query: StepListQuery): Promise<StepListPage> {
    const answer = await this.#views.listSteps(query);
    return answer.status === 'in-runs' ? this.#lookIn(query, answer) : answer;
  }

  async #lookIn(
    query: StepListQuery,
    { runs, more, places, position }: Extract<StepListAnswer, { status: 'in-runs' }>,
  ): Promise<StepListPage> {
    const found: StepsTable[] = [];
    let looked = 0;
    for (let events = 0; looked < runs.length && found.length <= query.limit && events < EVENTS_LOOKED_AT_MAX;) {
      const next = nextRuns(runs.slice(looked, looked + READ_AT_ONCE), EVENTS_LOOKED_AT_MAX - events);
      const steps = await Promise.all(next.map((run) => this.#stepsOf(run)));
      for (const rows of steps) {
        const wanted = rows.filter(
          (row) => row.place >= places.min && row.place <= places.max && isWantedStep(row, query),
        );
        found.push(...(query.order === 'asc' ? wanted : wanted.reverse()));
      }
      looked += next.length;
      for (const { revision } of next) events += revision + 1;
    }
    const page = stepPage(query, found, position);
    const last = runs[looked - 1];
    if (page.nextCursor !== null || last === undefined || (looked === runs.length && !more)) return page;
    return { ...page, nextCursor: encodeCursor(query, placeAfter(last, query.order)) };
  }

  async #stepsOf(run: StepRun): Promise<readonly StepsTable[]> {
    const events = await this.#log.readStream(runStream(run.runId), { limit: run.revision + 1 });
    return stepRows(run, events);
  }
}

/** At least one of them, and no more than have so many events. */
const nextRuns = (runs: readonly StepRun[], eventsMax: number): readonly StepRun[] => {
  let events = 0;
  return runs.filter(({ revision }, index) => (events += revision + 1) <= eventsMax || index === 0);
};

/** Beyond all steps of that run, in that order. */
const placeAfter = ({ seq }: StepRun, order: StepListQuery['order']): number =>
  order === 'asc' ? (seq + 1) * PLACES_A_RUN - 1 : seq * PLACES_A_RUN;

/** The steps of a run as the views would have them, completed ones too, by their place. */
const stepRows = ({ seq, revision: last }: StepRun, events: readonly RecordedEvent[]): readonly StepsTable[] => {
  let history: HistoryState | null = null;
  for (const { type, v, data, recordedAt, revision } of events) {
    // Nothing is a step of a run after its end, nor where its history was taken away.
    if (revision > last || (history !== null && isEnded(history))) break;
    try {
      history = foldHistory(history, decodeRunEvent(type, v, data), recordedAt);
    } catch {
      // As in the projection: what no reader knows changes no step.
      if (history !== null) history.revision = revision;
    }
  }
  return history === null ? [] : rowsOf(history, seq);
};

const rowsOf = ({ status, started, steps }: RunHistory, seq: number): readonly StepsTable[] => {
  // Beyond those, places would be the next run's; `STEPWELL_EVENTS_MAX` is lower.
  const placed = [...steps.values()].filter(({ enteredRevision }) => enteredRevision < PLACES_A_RUN);
  const shown = isEnded({ status }) ? placed.filter((step) => isStepEnded(step)) : placed;
  return shown.map((step) => rowOfStep({ seq, ...started }, step)).sort((a, b) => a.place - b.place);
};
