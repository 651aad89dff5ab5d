import { mkdirSync, rmSync } from 'node:fs';
import { hostname } from 'node:os';
import { join } from 'node:path';
import { Dispatcher, dispatcherMetrics, dispatcherState, MemoryOpenRuns, SingleOwner, SqliteOpenRuns } from '#dispatch';
import { Archiver, Catalogue, engineMetrics, RunEngine } from '#engine';
import { openEventStore, serverVersionOf, type EventStore } from '#event-store';
import {
  createKafkaRelay,
  FileRelayCheckpoint,
  MemoryRelayCheckpoint,
  relayMetrics,
  triggerMetrics,
  type KafkaTrigger,
  type Relay,
} from '#relay';
import { nodeInfo, openStores, openTracer, readinessOf, systemClock, systemEntropy } from '#runtime';
import type { Config, Log, MetricSources, NodeInfo, Readiness } from '#runtime';
import { openViews, viewMetrics, viewsSchemaVersion, type ViewProjector, type ViewStore } from '#views';
import { openTrigger, type Health, type WorkflowApiParts } from '../../workflow-api/src/workflow-api.module.js';
import type { DispatcherParts } from '../../dispatcher/src/dispatcher.module.js';
import type { ProjectorParts } from '../../projector/src/projector.module.js';

export type StandaloneParts = WorkflowApiParts &
  DispatcherParts &
  ProjectorParts & {
    /** `null`: runs are kept for ever. */
    readonly archiver: Archiver | null;
    /** `null`: nothing is published. Not started yet. */
    readonly relay: Relay | null;
    /** `null`: no message starts a run. Not started yet. */
    readonly trigger: KafkaTrigger | null;
    /** Readiness goes false: new work is better sent elsewhere. */
    readonly leave: () => void;
  };

const ROLES = ['workflow-api', 'dispatcher', 'projector'] as const;

/** Makes everything the process is of, on the embedded store, in the order in which one leans on the other. */
export const createParts = async (config: Config, log: Log): Promise<StandaloneParts> => {
  const clock = systemClock;
  const entropy = systemEntropy;
  mkdirSync(config.dataDir, { recursive: true });
  const store = openEventStore(config, clock, log);
  await openStores(store, config, log, ROLES);
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
  const relay = openRelay(config, store, log);
  const trigger = openTrigger({ runs: engine, catalogue, clock, log, config, tracer }, config.kafka);
  const metrics: MetricSources = {
    ...engineMetrics(engine.counts),
    ...dispatcherMetrics(dispatcher, openRuns, ownership),
    ...viewMetrics(projector, views),
    ...relayMetrics(relay),
    ...triggerMetrics(trigger),
  };
  let leaving = false;
  const health: Health = { readiness: () => readiness({ engine, dispatcher, projector, views, leaving }) };
  const { ageMs, archiveDir, runsPerSecond } = config.retention;
  const archiver =
    ageMs === null ? null : new Archiver(store, clock, entropy, log, { folder: archiveDir, ageMs, runsPerSecond });
  const leave = () => {
    leaving = true;
  };
  const node = describe(config, store, { engine, dispatcher, ownership, projector, relay, trigger });
  const made = { catalogue, lists, store, clock, log, config, tracer, dispatcher, projector, views, relay, trigger };
  return { runs: engine, ...made, health, node, metrics, archiver, leave };
};

/** Views of a log in memory are of this process alone: they begin empty, as their log does. */
const viewsFolder = (config: Config): string => {
  if (config.eventStore !== 'memory') return join(config.dataDir, 'views');
  const folder = join(config.dataDir, 'views-of-memory');
  rmSync(folder, { recursive: true, force: true });
  return folder;
};

const readiness = async ({
  engine,
  dispatcher,
  projector,
  views,
  leaving,
}: Pick<StandaloneParts, 'dispatcher' | 'projector' | 'views'> & {
  readonly engine: RunEngine;
  readonly leaving: boolean;
}): Promise<Readiness> => {
  return readinessOf({
    log: engine.room.isFull
      ? { status: 'degraded', detail: 'The disk of the event log is full: nothing is started or recorded.' }
      : READY,
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

const openRelay = (config: Config, store: EventStore, log: Log): Relay | null => {
  const checkpoint =
    config.eventStore === 'memory'
      ? new MemoryRelayCheckpoint()
      : new FileRelayCheckpoint(join(config.dataDir, 'relay-checkpoint.json'));
  return createKafkaRelay(store, checkpoint, systemClock, systemEntropy, log, config.kafka);
};

type Described = Pick<StandaloneParts, 'dispatcher' | 'projector' | 'relay' | 'trigger'> & {
  readonly engine: RunEngine;
  readonly ownership: SingleOwner;
};

const describe = (
  config: Config,
  store: EventStore,
  { engine, dispatcher, ownership, projector, relay, trigger }: Described,
): NodeInfo =>
  nodeInfo(config, {
    roles: ROLES,
    versions: { eventStoreServer: serverVersionOf(store), viewsSchema: viewsSchemaVersion(config) },
    state: () => ({
      ...dispatcherState(dispatcher, ownership),
      appends: engine.counts.appends.appended,
      leads: projector.leads,
      lag: projector.lag,
      relay: relay === null ? null : { leads: relay.leads, ...relay.state, lag: relay.lag },
      trigger: trigger === null ? null : { ...trigger.state, lag: trigger.lag },
    }),
  });
