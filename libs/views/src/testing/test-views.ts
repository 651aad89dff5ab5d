import type { Commit, Position } from '#event-store';
import type {
  Applied,
  Batch,
  ParkedStream,
  RunListPage,
  RunListQuery,
  StepListAnswer,
  StepListQuery,
} from '../view-store.js';

/** Views as the contracts see them, of any database. */
export type TestViews = {
  checkpoint(): Promise<Position>;
  apply(batch: Batch): Promise<Applied>;
  listRuns(query: RunListQuery): Promise<RunListPage>;
  listSteps(query: StepListQuery): Promise<StepListAnswer>;
  parked(): Promise<readonly ParkedStream[]>;
  /** As after a restart. */
  reopen(): Promise<void>;
  /** Every column of every row of every table. */
  dump(): Promise<Record<string, unknown[]>>;
  close(): Promise<void>;
};

/** Views that are empty. The ones before are closed. */
export type OpenViews = () => Promise<TestViews>;

export const ofRuns = (commits: readonly Commit[]): Commit[] =>
  commits.filter(({ stream }) => stream.startsWith('run-'));

/** All of them in one batch, from where the views stand. */
export const applyAll = async (views: TestViews, commits: readonly Commit[]): Promise<void> => {
  const last = commits.at(-1);
  if (last === undefined) return;
  await views.apply({ after: await views.checkpoint(), through: last.position, commits: ofRuns(commits) });
};
