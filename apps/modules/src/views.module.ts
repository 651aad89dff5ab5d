import { Global, Inject, Module, type OnApplicationShutdown } from '@nestjs/common';
import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { EventStore } from '#event-store';
import { Clock, Log, type Config, type Readiness } from '#runtime';
import { openViews, PostgresViewStore, sharedViewsReadiness, ViewProjector, ViewsFull, type Views } from '#views';
import { ProcessReport, READY } from './process-report.js';
import { RunLists } from './run-lists.js';
import { CONFIG, PROCESS, type ProcessDescription } from './tokens.js';

/** What `openViews` gives: the store, who writes it, and how to wait for a position. */
export const VIEWS = Symbol('views');

const LATE_SECONDS = 10;

/** The views: who writes them starts the projector, all others read lists from them. */
@Global()
@Module({
  providers: [
    {
      provide: VIEWS,
      inject: [CONFIG, EventStore, Clock, Log],
      useFactory: async (config: Config, store: EventStore, clock: Clock, log: Log): Promise<Views> => {
        const views = openViews(config, store, clock, {
          folder: viewsFolder(config),
          onFault: (err, delayMs) =>
            log.warn('the views could not be written; starting again from their checkpoint', { err, delayMs }),
        });
        await views.store.start().catch((err: unknown) => {
          if (!(err instanceof ViewsFull)) throw err;
          log.error('there is no room for the views: lists are refused until there is', { err });
        });
        return views;
      },
    },
    { provide: ViewProjector, inject: [VIEWS], useFactory: ({ projector }: Views) => projector },
    {
      provide: RunLists,
      inject: [VIEWS],
      useFactory: (views: Views): RunLists => ({
        listRuns: (query) => views.store.listRuns(query),
        listSteps: (query) => views.store.listSteps(query),
        waitFor: (position, timeoutMs) => views.waitFor(position, timeoutMs),
      }),
    },
  ],
  exports: [VIEWS, ViewProjector, RunLists],
})
export class ViewsModule implements OnApplicationShutdown {
  constructor(
    @Inject(VIEWS) private readonly views: Views,
    @Inject(PROCESS) { alone }: ProcessDescription,
    report: ProcessReport,
  ) {
    const { store } = views;
    const check =
      !alone && store instanceof PostgresViewStore ? () => sharedViewsReadiness(store) : () => ownViewsReadiness(views);
    report.add({ readiness: { views: check } });
  }

  onApplicationShutdown(): Promise<void> {
    return this.views.store.stop();
  }
}

/** Views of a log in memory are of this process alone: they begin empty, as their log does. */
const viewsFolder = (config: Config): string => {
  if (config.eventStore !== 'memory') return join(config.dataDir, 'views');
  const folder = join(config.dataDir, 'views-of-memory');
  rmSync(folder, { recursive: true, force: true });
  return folder;
};

/** Lists that this process writes itself. Never worse than `degraded`: runs do not need them. */
const ownViewsReadiness = async ({ store, projector }: Views): Promise<Readiness['parts'][string]> => {
  try {
    const parked = await store.parked();
    if (parked.length > 0) {
      const [first] = parked;
      const detail = `${parked.length} streams are parked, the first ${first?.stream}: ${first?.error}`;
      return { status: 'degraded', detail };
    }
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    return { status: 'degraded', detail: `The lists cannot be read: ${reason}` };
  }
  const { events, seconds } = projector.lag;
  return seconds > LATE_SECONDS
    ? { status: 'degraded', detail: `The lists are ${events} events (${seconds} s) behind the log.` }
    : READY;
};
