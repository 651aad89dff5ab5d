import { Injectable } from '@nestjs/common';
import { foldHistory, isEnded, type HistoryState, type Plan, type RunHistory } from '#domain';
import { Catalogue, Runs, type Fact, type LoadedRun, type ParkedRun, type Wait } from '#engine';
import type { Position } from '#event-store';
import { STORAGE_UNAVAILABLE } from '../http/failures.js';
import { HttpProblem } from '../http/problems.js';
import { parseRunId } from './run-id.js';
import { HistoryBroken, RunHistories } from './run-histories.js';
import { loadVisible, placeOf, requireWhole, runIdOf, type RunPlace } from './run-reads.js';

/** A run as it is shown: its history, and what is known of it now, both of one revision. Good for one turn of the event loop. */
export type ShownRun = {
  readonly history: RunHistory;
  readonly plan: Plan;
  readonly waits: readonly Wait[];
  readonly parked: ParkedRun | null;
  readonly position: Position;
};

/** A run that others have shown further than it was just loaded is loaded again, so often at most. */
const LOADS_MAX = 10;
const NO_WAITS: readonly Wait[] = [];

/** Runs for those who look at them: what they wait for the engine says, all else their history. */
@Injectable()
export class ShownRuns {
  constructor(
    private readonly runs: Runs,
    private readonly histories: RunHistories,
    private readonly plans: Catalogue,
  ) {}

  /** The run of an id as people see it, as it is now. Throws the problem when there is none, or it is archived. */
  async byId<Made>(id: string, make: (shown: ShownRun) => Made): Promise<Made> {
    const ended = await this.ended(id, make);
    return ended === null ? this.of(await loadVisible(this.runs, id), make) : ended.made;
  }

  /**
   * Where the events of a run are, as `byId`. Once it has ended its history is kept for that: who pages through its events does not
   * have all of them read for each page.
   */
  async placeOf(id: string): Promise<RunPlace> {
    const ofHistory = ({ history, position }: ShownRun): RunPlace => placeOf(history, position);
    const ended = await this.ended(id, ofHistory);
    if (ended !== null) return ended.made;
    const loaded = await loadVisible(this.runs, id);
    return isEnded(loaded.run) ? this.of(loaded, ofHistory) : placeOf(loaded.run, loaded.position);
  }

  /** A run that was loaded in this turn. At once when all of its events were kept for that. */
  of<Made>(loaded: LoadedRun, make: (shown: ShownRun) => Made): Made | Promise<Made> {
    const history = loaded.facts === null ? null : historyOf(loaded.facts);
    if (history?.revision !== loaded.revision) return this.outOfLog(loaded, make);
    return make({ ...this.nowOf(loaded), history });
  }

  /**
   * Of a run that has ended nothing but what came after its end is read: the engine would have to read all of it. `null`: it has
   * not ended, as far as that says, or its stream is broken, which the engine knows to answer.
   */
  private async ended<Made>(id: string, make: (shown: ShownRun) => Made): Promise<{ readonly made: Made } | null> {
    const runId = parseRunId(id);
    const known = runId === null ? null : this.histories.ended(runId);
    if (runId === null || known === null || known.started.id !== id) return null;
    const hash = known.started.plan;
    const plan = this.plans.cachedPlan(hash) ?? (await this.plans.plan(hash));
    const shown = this.histories.show(runId, null, (history, position) => {
      if (!isEnded(history) || history.archived !== null) return null;
      return { made: make({ history, plan, waits: NO_WAITS, parked: this.runs.parked(runId), position }) };
    });
    return shown.catch((fault: unknown) => {
      if (fault instanceof HistoryBroken) return null;
      throw fault;
    });
  }

  private async outOfLog<Made>(first: LoadedRun, make: (shown: ShownRun) => Made): Promise<Made> {
    let loaded: LoadedRun | null = first;
    for (let loads = 0; loaded !== null && loads < LOADS_MAX; loads++) {
      const { run, revision } = requireWhole(loaded);
      const hasEnded = isEnded(run);
      const now = this.nowOf(loaded);
      const made = await this.histories.show(runIdOf(run), hasEnded ? null : revision, (history, position) =>
        isEnded(history) === hasEnded && history.archived === null
          ? { made: make({ ...now, history, position }) }
          : null,
      );
      if (made !== null) return made.made;
      loaded = await this.runs.load(runIdOf(run));
    }
    throw new HttpProblem({ ...STORAGE_UNAVAILABLE, detail: 'The run could not be read as a whole now.' });
  }

  private nowOf({ run, plan, position }: LoadedRun) {
    const runId = runIdOf(run);
    return { plan, waits: this.runs.waitsOf(runId, run), parked: this.runs.parked(runId), position };
  }
}

const historyOf = (facts: readonly Fact[]): RunHistory | null => {
  let history: HistoryState | null = null;
  for (const { event, at } of facts) history = foldHistory(history, event, at);
  return history;
};
