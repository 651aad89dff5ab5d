import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { Cluster, type Member } from '../cluster/cluster.js';
import { closeConnections, httpCall } from '../support/http-client.js';
// Without a broker this file is not run, and the last lines of the run say so.
import { missingKafka } from '../support/kafka.js';
import { topicName } from '../support/kafka-topics.js';
import { eventually } from '../support/pause.js';
import type { EventShape, ListShape, RunShape } from '../support/shapes.js';
import { tempFolder } from '../support/temp-folder.js';

const GRACE_MS = 1_000;
/** What is not the requests': log, Postgres and Kafka are given so long. A stop is given 30 s by whoever supervises it. */
const GOODBYE_MS = 19_000;
const RUNS = 20;
const LINES_MAX = 12;

const open: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  for (const close of open.splice(0).reverse()) await close();
  closeConnections();
}, 60_000);

describe('processes that are asked to stop while a store says nothing', () => {
  let cluster: Cluster;
  const api = (): string => cluster.apis[0]!.url;
  const start = (key: string, headers: Record<string, string> = {}) =>
    httpCall('POST', `${api()}/v1/runs`, {
      headers: { 'idempotency-key': key, ...headers },
      body: { workflow: 'slow' },
      timeoutMs: 60_000,
    });

  beforeEach(async () => {
    const missing = await missingKafka();
    if (missing !== null) throw new Error(missing);
    const folder = await tempFolder('stop-without-stores');
    open.push(() => folder.remove());
    cluster = await Cluster.start(
      folder.path,
      { apis: 1, dispatchers: 1, projectors: 1, relay: true },
      {
        STEPWELL_SHUTDOWN_GRACE_MS: String(GRACE_MS),
        STEPWELL_KAFKA_TRIGGER_TOPIC: topicName('stop', 'trigger'),
        STEPWELL_KAFKA_TRIGGER_WORKFLOW: 'slow',
      },
    );
    open.push(() => cluster.abandon());
    const root = { type: 'step', url: '/steps/slow?delayMs=300' };
    const body = { target: cluster.app.url, root };
    const published = await httpCall('PUT', `${api()}/v1/workflows/slow`, { body });
    if (published.status !== 201) throw new Error(published.text);
  }, 60_000);

  /** Asks all at once, and gives how each has ended, how long it took, and what it has said. */
  const stop = (members: readonly Member[]) =>
    Promise.all(
      members.map(async (member) => {
        const fromMs = performance.now();
        const child = member.child!;
        const ended = await member.stop();
        const ms = performance.now() - fromMs;
        const lines = child.output.trim().split('\n');
        return {
          name: member.name,
          ended,
          inTime: ms < GRACE_MS + GOODBYE_MS,
          fewLines: lines.length <= LINES_MAX,
          ms: Math.round(ms),
          lines,
        };
      }),
    );
  const startAgain = async (members: readonly Member[]): Promise<void> => {
    for (const member of members) member.start();
    await Promise.all(members.map((member) => member.ready(60_000)));
  };
  const WELL = { ended: 0, inTime: true, fewLines: true };
  const completed = async (id: string): Promise<void> => {
    await eventually(`the run ${id}`, async () => {
      const { text } = await httpCall('GET', `${api()}/v1/runs/${id}`);
      return (JSON.parse(text) as RunShape).status === 'completed' ? true : null;
    });
  };

  it('end in time with an EventStoreDB that is frozen, and lose nothing', async () => {
    const ids: string[] = [];
    for (let run = 0; run < RUNS; run++) {
      const { status, text } = await start(`before-${run}`);
      expect(status).toBe(201);
      ids.push((JSON.parse(text) as RunShape).id);
    }
    cluster.eventStore!.freeze();
    // Answered or not: what they do is under way when the processes are asked to stop.
    const underWay = [
      ...Array.from({ length: RUNS }, (_, run) => start(`during-${run}`, run % 2 === 0 ? {} : { prefer: 'wait=60' })),
      httpCall('POST', `${api()}/v1/runs/${ids[0]!}/cancel`, { body: {}, timeoutMs: 60_000 }),
      httpCall('GET', `${api()}/v1/runs/${ids[1]!}`, { timeoutMs: 60_000 }),
      httpCall('GET', `${api()}/v1/runs/${ids[2]!}/events`, {
        headers: { accept: 'text/event-stream' },
        timeoutMs: 60_000,
      }),
    ].map((call) => call.catch(() => null));
    const members = cluster.members;
    const ends = await stop(members);
    expect(ends).toMatchObject(members.map(() => WELL));
    await Promise.all(underWay);
    cluster.eventStore!.thaw();
    await startAgain(members);
    for (const id of ids.slice(1)) await completed(id);
    for (let run = 0; run < RUNS; run++) {
      const { text } = await start(`during-${run}`);
      await completed((JSON.parse(text) as RunShape).id);
    }
  }, 120_000);

  it('end in time with a Kafka broker that is silent, and lose nothing', async () => {
    const { proxies } = cluster.relayTopic!;
    for (const proxy of proxies) proxy.stall();
    const histories = new Map<string, readonly EventShape[]>();
    for (let run = 0; run < RUNS; run++) {
      const { text } = await start(`kafka-${run}`, { prefer: 'wait=30' });
      const { id, status } = JSON.parse(text) as RunShape;
      expect(status).toBe('completed');
      const events = await httpCall('GET', `${api()}/v1/runs/${id}/events`);
      histories.set(id, (JSON.parse(events.text) as ListShape<EventShape>).items);
    }
    const members = cluster.members;
    const ends = await stop(members);
    expect(ends).toMatchObject(members.map(() => WELL));
    await Promise.all(proxies.map((proxy) => proxy.heal()));
    await startAgain(members);
    await cluster.relayTopic!.until(histories, 60_000, () => {});
    expect(cluster.relayTopic!.tally.byRun.size).toBeGreaterThanOrEqual(histories.size);
    for (const [id, events] of histories) expect([id, cluster.relayTopic!.tally.holds(id, events)]).toEqual([id, true]);
  }, 120_000);
});
