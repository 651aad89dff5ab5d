import { mkdirSync, rmSync } from 'node:fs';
import { hostname } from 'node:os';
import { join } from 'node:path';
import { Dispatcher, dispatcherMetrics, MemoryOpenRuns, SingleOwner, SqliteOpenRuns } from '#dispatch';
import { Catalogue, engineMetrics, RunEngine } from '#engine';
import { EventStoreDbEventStore, openEventStore, SHARDS, SqliteEventStore, type EventStore } from '#event-store';
import { openTracer, readinessOf, systemClock, systemEntropy, VERSION } from '#runtime';
import type { Config, Log, MetricSources, Readiness } from '#runtime';
import { openViews, viewMetrics, VIEWS_SCHEMA_VERSION, type ViewProjector, type ViewStore } from '#views';
import type { Health, NodeInfo, WorkflowApiParts } from '../../workflow-api/src/workflow-api.module.js';
import type { DispatcherParts } from '../../dispatcher/src/dispatcher.module.js';
import type { ProjectorParts } from '../../projector/src/projector.module.js';

export type StandaloneParts = WorkflowApiParts &
  DispatcherParts &
  ProjectorParts & {
    /** Readiness goes false: new work is better sent elsewhere. */
    readonly leave: () => void;
  };

/** Makes everything the process is of, on the embedded store, in the order in which one leans on the other. */
export const createParts = async (config: Config, log: Log): Promise<StandaloneParts> => {
  const clock = systemClock;
  const entropy = systemEntropy;
  mkdirSync(config.dataDir, { recursive: true });
  const store = openEventStore(config, clock, log);
  await store.start();
  const catalogue = new Catalogue(store, clock, entropy, log, config.limits);
  await catalogue.start();
  const engine = new RunEngine(store, catalogue, clock, entropy, log, { limits: config.limits });
  const openRuns =
    config.eventStore === 'memory'
      ? new MemoryOpenRuns()
      : new SqliteOpenRuns(join(config.dataDir, 'open-runs.sqlite'));
  const tracer = await openTracer(config.traces.otlpUrl, 'stepwell-standalone', log);
  const ownership = new SingleOwner();
  const dispatcher = new Dispatcher(store, engine, openRuns, ownership, clock, entropy, log, {
    ...config.dispatch,
    name: `${hostname()}-${process.pid}`,
    payloadMaxBytes: config.limits.payloadMaxBytes,
    graceMs: config.shutdown.graceMs,
    tracer,
  });
  const opened = openViews(config, store, clock, {
    folder: viewsFolder(config),
    onFault: (err, delayMs) =>
      log.warn('the views could not be written; starting again from their checkpoint', { err, delayMs }),
  });
  const { store: views, projector } = opened;
  const lists: WorkflowApiParts['lists'] = {
    listRuns: (query) => views.listRuns(query),
    listSteps: (query) => views.listSteps(query),
    waitFor: (position, timeoutMs) => opened.waitFor(position, timeoutMs),
  };
  const metrics: MetricSources = {
    ...engineMetrics(engine.counts),
    ...dispatcherMetrics(dispatcher, openRuns, ownership),
    ...viewMetrics(projector, views),
  };
  let leaving = false;
  const health: Health = { readiness: () => readiness(dispatcher, projector, views, leaving) };
  const node = nodeInfo(config, store, dispatcher, projector);
  const leave = () => {
    leaving = true;
  };
  return {
    runs: engine,
    catalogue,
    lists,
    store,
    clock,
    log,
    config,
    health,
    node,
    metrics,
    tracer,
    dispatcher,
    projector,
    views,
    leave,
  };
};

/** Views of a log in memory are of this process alone: they begin empty, as their log does. */
const viewsFolder = (config: Config): string => {
  if (config.eventStore !== 'memory') return join(config.dataDir, 'views');
  const folder = join(config.dataDir, 'views-of-memory');
  rmSync(folder, { recursive: true, force: true });
  return folder;
};

const readiness = async (
  dispatcher: Dispatcher,
  projector: ViewProjector,
  views: ViewStore,
  leaving: boolean,
): Promise<Readiness> => {
  return readinessOf({
    process: leaving ? { status: 'not-ready', detail: 'The process is stopping.' } : READY,
    dispatcher: dispatcher.acting
      ? READY
      : { status: 'not-ready', detail: 'The open runs are being taken over, or let go.' },
    views: await viewsReadiness(projector, views),
  });
};

const READY = { status: 'ready', detail: null } as const;

const viewsReadiness = async (projector: ViewProjector, views: ViewStore): Promise<Readiness['parts'][string]> => {
  try {
    const parked = await views.parked();
    if (parked.length > 0) {
      const [first] = parked;
      return {
        status: 'degraded',
        detail: `${parked.length} streams are parked, the first ${first?.stream}: ${first?.error}`,
      };
    }
  } catch (error) {
    return {
      status: 'degraded',
      detail: `The lists cannot be read: ${error instanceof Error ? error.message : String(error)}`,
    };
  }
  const { events, seconds } = projector.lag;
  return seconds > 10
    ? { status: 'degraded', detail: `The lists are ${events} events (${seconds} s) behind the log.` }
    : READY;
};

/** Getters, so that every answer tells of its moment. */
const nodeInfo = (config: Config, store: EventStore, dispatcher: Dispatcher, projector: ViewProjector): NodeInfo => ({
  product: 'stepwell',
  version: VERSION,
  runtime: `node ${process.versions.node}`,
  host: hostname(),
  pid: process.pid,
  roles: ['workflow-api', 'dispatcher', 'projector'],
  eventStore: config.eventStore,
  startedAt: systemClock.now(),
  limits: config.limits,
  versions: {
    stepwell: VERSION,
    node: process.versions.node,
    eventStoreServer: store instanceof EventStoreDbEventStore ? store.serverVersion : null,
    viewsSchema: VIEWS_SCHEMA_VERSION,
  },
  shards: { owned: SHARDS, of: SHARDS },
  get lag() {
    return projector.lag;
  },
  get attempts() {
    return dispatcher.load;
  },
  get breakers() {
    return dispatcher.breakers;
  },
  get appends() {
    return store instanceof SqliteEventStore ? store.stats().appends : null;
  },
});
