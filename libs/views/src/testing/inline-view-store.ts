import type { Position } from '#event-store';
import { SqliteViews } from '../sqlite/sqlite-views.js';
import type {
  Applied,
  Batch,
  ParkedStream,
  RunListPage,
  RunListQuery,
  StepListAnswer,
  StepListQuery,
} from '../view-store.js';
import { ViewStore, ViewsUnavailable } from '../view-store.js';

/** The SQLite views without their thread: what they throw is seen, and a test can swap or break them. */
export class InlineViewStore extends ViewStore {
  readonly batches: Batch[] = [];
  failures = 0;
  #views: SqliteViews | null = null;

  constructor(public file: string) {
    super();
  }

  async start(): Promise<void> {
    this.#views ??= await SqliteViews.open(this.file);
  }

  async stop(): Promise<void> {
    this.#views?.close();
    this.#views = null;
  }

  async checkpoint(): Promise<Position> {
    return this.#open().checkpoint;
  }

  async apply(batch: Batch): Promise<Applied> {
    const views = this.#open();
    if (this.failures > 0) {
      this.failures--;
      await this.stop();
      throw new ViewsUnavailable('broken by the test');
    }
    this.batches.push(batch);
    return views.apply(batch);
  }

  async listRuns(query: RunListQuery): Promise<RunListPage> {
    return this.#open().listRuns(query);
  }

  async listSteps(query: StepListQuery): Promise<StepListAnswer> {
    return this.#open().listSteps(query);
  }

  async parked(): Promise<readonly ParkedStream[]> {
    return this.#open().parked();
  }

  #open(): SqliteViews {
    if (this.#views === null) throw new ViewsUnavailable('not open');
    return this.#views;
  }
}
