import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { MemoryEventStore, runStream, type Position } from '#event-store';
import { silentLog, systemClock, systemEntropy } from '#runtime';
import { Chance } from '../../../test/support/chance.js';
import { kafkaProxies, testKafka, type TestKafka } from '../../../test/support/kafka.js';
import {
  highWatermarks,
  makeTopics,
  TopicReader,
  topicName,
  type Received,
} from '../../../test/support/kafka-topics.js';
import { eventually, pause } from '../../../test/support/pause.js';
import type { FaultProxy } from '../../../test/support/fault-proxy.js';
import { anEvent, RunLog, runIdFor } from '../testing/run-log.js';
import { KafkaPublisher } from './kafka/kafka-publisher.js';
import { MemoryRelayCheckpoint } from './relay-checkpoint.js';
import { Relay, type RelaySettings } from './relay.js';

const TOPICS = Object.fromEntries(
  ['shape', 'chosen', 'restarts', 'down', 'acks', 'zombie', 'parked', 'stop', 'other-log', 'largest'].map((test) => [
    test,
    topicName('relay', test),
  ]),
) as Record<string, string>;
const TIMEOUTS = { connectMs: 500, requestMs: 1_000 };

let kafka: TestKafka;
let reader: TopicReader;
let proxied: readonly string[];
let proxies: readonly FaultProxy[] = [];
/** What was opened for all tests, also by a beginning that failed halfway. */
const opened: { stop(): Promise<void> }[] = [];
beforeAll(async () => {
  kafka = await testKafka();
  opened.push(kafka);
  ({ brokers: proxied, proxies } = await kafkaProxies(kafka));
  opened.push(...proxies);
  await makeTopics(kafka, Object.values(TOPICS));
  reader = new TopicReader(kafka, Object.values(TOPICS));
  opened.push(reader);
  await reader.start();
}, 60_000);
afterAll(async () => {
  for (const part of opened.reverse()) await part.stop();
});

let store: MemoryEventStore;
let log: RunLog;
let checkpoint: MemoryRelayCheckpoint;
const relays: Relay[] = [];
beforeEach(() => {
  store = new MemoryEventStore();
  log = new RunLog(store);
  checkpoint = new MemoryRelayCheckpoint();
});
afterEach(async () => {
  await heal();
  await Promise.all(relays.splice(0).map((relay) => relay.stop()));
  await store.stop();
});

const startRelay = (test: string, settings: Partial<RelaySettings> = {}): Relay => {
  const publisher = new KafkaPublisher({ brokers: proxied, tls: false, sasl: null }, TIMEOUTS);
  const relay = new Relay(store, publisher, checkpoint, systemClock, systemEntropy, silentLog, {
    topic: TOPICS[test]!,
    events: 'all',
    checkpointMs: 20,
    ...settings,
  });
  relays.push(relay);
  relay.start();
  return relay;
};
const cut = () => Promise.all(proxies.map((proxy) => proxy.cut()));
const stall = () => proxies.forEach((proxy) => proxy.stall());
const heal = () => Promise.all(proxies.map((proxy) => proxy.heal()));

const arrived = (test: string, count: number) => reader.until(TOPICS[test]!, (messages) => messages.length >= count);
const valueOf = (message: Received) => JSON.parse(message.value!.toString());
const until = (what: string, holds: () => boolean, timeoutMs?: number) =>
  eventually(what, async () => (holds() ? true : null), timeoutMs);
const storedUpTo = (position: Position) =>
  eventually('the checkpoint', async () => ((await checkpoint.peek()) >= position ? true : null));

/** The revisions of each run in the order of their first coming. */
const firstComings = (messages: readonly Received[]): Map<string, number[]> => {
  const revisions = new Map<string, number[]>();
  for (const message of messages) {
    const { subject, revision } = valueOf(message);
    const seen = revisions.get(subject) ?? [];
    if (!seen.includes(revision)) seen.push(revision);
    revisions.set(subject, seen);
  }
  return revisions;
};
const allInOrder = (): Map<string, number[]> =>
  new Map([...log.counts].map(([runId, count]) => [runId, Array.from({ length: count }, (_, index) => index)]));

describe('Relay', () => {
  it('publishes an event as a CloudEvent, keyed by its run', async () => {
    const runId = runIdFor('shape');
    const traceparent = '00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01';
    const position = await log.append(runId, [anEvent('RunCancelled', { reason: 'ünïcode' })], traceparent);
    startRelay('shape');
    const [message] = await arrived('shape', 1);
    const [event] = await store.readStream(runStream(runId));
    expect(message!.key!.toString()).toBe(runId);
    expect(Object.fromEntries(Object.entries(message!.headers!).map(([name, text]) => [name, String(text)]))).toEqual({
      'content-type': 'application/cloudevents+json; charset=UTF-8',
      'stepwell-event-id': event!.id,
      'stepwell-event-type': 'RunCancelled',
      'stepwell-position': String(position),
      traceparent,
    });
    const value = valueOf(message!);
    expect(value).toEqual({
      specversion: '1.0',
      id: event!.id,
      source: '/v1/runs',
      type: 'stepwell.run.RunCancelled',
      subject: runId,
      time: event!.recordedAt,
      datacontenttype: 'application/json',
      dataversion: 1,
      stream: runStream(runId),
      revision: 0,
      position: String(position),
      causation: event!.causation,
      traceparent,
      data: { reason: 'ünïcode' },
    });
    expect(Object.keys(value).filter((name) => !/^[a-z0-9]{1,20}$/.test(name))).toEqual([]);
  });

  it('publishes the chosen types alone, and moves its checkpoint over the others', async () => {
    await log.append(runIdFor('chosen'), [anEvent('AttemptStarted', {}), anEvent('RunCompleted', {})]);
    await log.append(runIdFor('chosen'), [anEvent('AttemptStarted', {})]);
    startRelay('chosen', { events: ['RunCompleted', 'RunFailed'] });
    await storedUpTo(log.head);
    const messages = await arrived('chosen', 1);
    expect(messages.map((message) => valueOf(message).type)).toEqual(['stepwell.run.RunCompleted']);
    expect(() => startRelay('chosen', { events: ['RunComplete'] })).toThrow('the nearest is RunCompleted');
  });

  it('publishes every event at least once and in order per run, whatever happens to it', async () => {
    const random = new Chance(20_261);
    const below = (bound: number): number => Math.floor(random.between(0, bound));
    const runs = Array.from({ length: 25 }, (_, index) => runIdFor(`restarts-${index}`));
    let appending = true;
    const appends = (async () => {
      for (let commit = 0; commit < 900; commit++) {
        const events = Array.from({ length: 1 + below(6) }, (_, ordinal) =>
          anEvent('StepEntered', { commit, ordinal }),
        );
        await log.append(runs[below(runs.length)]!, events);
        if (commit % 9 === 0) await pause(1 + below(30));
      }
      appending = false;
    })();
    let relay = startRelay('restarts', { batchBytesMax: 20_000 });
    while (appending) {
      await pause(below(200));
      const strike = below(4);
      if (strike === 0) await relay.stop();
      else if (strike === 1) await cut();
      else if (strike === 2) stall();
      // Else the next one takes over from this one, which lives on and is fenced.
      await pause(below(150));
      await heal();
      if (strike !== 1) relay = startRelay('restarts', { batchBytesMax: 20_000 });
    }
    await appends;
    await storedUpTo(log.head);
    const inOrder = allInOrder();
    const messages = await reader.until(TOPICS['restarts']!, (all) => {
      const counts = [...firstComings(all).values()].reduce((sum, revisions) => sum + revisions.length, 0);
      return counts >= log.events;
    });
    expect(firstComings(messages)).toEqual(inOrder);
    const partitions = new Map<string, number>();
    for (const { key, partition } of messages) {
      expect(partitions.get(key!.toString()) ?? partition).toBe(partition);
      partitions.set(key!.toString(), partition);
    }
  });

  it('delays no append while the broker is down, shows how late it is, and makes up for it', async () => {
    const relay = startRelay('down');
    await log.append(runIdFor('down'), [anEvent('RunCompleted', {})]);
    await arrived('down', 1);
    await until('the relay to follow', () => relay.state.status === 'following' && relay.lag.events === 0);
    expect(relay.lag).toEqual({ events: 0, seconds: 0, caughtUp: true });
    const before = await checkpoint.peek();
    await cut();
    for (let count = 0; count < 200; count++)
      await log.append(runIdFor(`down-${count}`), [anEvent('RunFailed', { count })]);
    await until('the failure to show', () => relay.state.status === 'retrying');
    expect(relay.lag.events).toBe(200);
    const { seconds } = relay.lag;
    await until('the lag to grow', () => relay.lag.seconds > seconds + 0.1);
    expect(relay.state.error).toMatch(/ECONNREFUSED|onnection/);
    expect(await checkpoint.peek()).toBe(before);
    await heal();
    await until('the lag to end', () => relay.lag.events === 0);
    expect(relay.state).toMatchObject({ status: 'following', error: null, checkpoint: log.head });
    await arrived('down', 201);
  });

  it('stores no position whose events the broker does not have', async () => {
    const runs = Array.from({ length: 8 }, (_, index) => runIdFor(`acks-${index}`));
    const upTo: { position: Position; events: number }[] = [];
    const early: string[] = [];
    checkpoint = new (class extends MemoryRelayCheckpoint {
      override async store(epoch: number, position: Position) {
        const known = await highWatermarks(kafka, TOPICS['acks']!);
        const owed = upTo.filter((each) => each.position <= position).at(-1)?.events ?? 0;
        if (known < owed) early.push(`${position}: ${known} of ${owed}`);
        return super.store(epoch, position);
      }
    })();
    startRelay('acks', { checkpointMs: 1, batchBytesMax: 5_000 });
    for (let commit = 0; commit < 300; commit++) {
      const position = await log.append(runs[commit % 8]!, [anEvent('RunFailed', { commit })]);
      upTo.push({ position, events: log.events });
      if (commit % 100 === 30) stall();
      if (commit % 100 === 60) await cut();
      if (commit % 10 === 0) await pause(10);
      if (commit % 100 === 90) await heal();
    }
    await storedUpTo(log.head);
    expect(early).toEqual([]);
  });

  it('cannot move the checkpoint after another has taken it, and takes it again when nobody stops it', async () => {
    const zombie = startRelay('zombie', { fencedMs: 600 });
    await log.append(runIdFor('zombie'), [anEvent('RunCompleted', {})]);
    await storedUpTo(log.head);
    const taken = await checkpoint.take();
    await log.append(runIdFor('zombie'), [anEvent('RunFailed', {})]);
    await until('the relay to be fenced', () => zombie.state.status === 'fenced');
    expect(zombie.leads).toBe(false);
    expect(await checkpoint.peek()).toBe(taken.position);
    await until('the relay to go on', () => zombie.state.status === 'following');
    await storedUpTo(log.head);
    expect(await checkpoint.store(taken.epoch, taken.position)).toBe('fenced');
  });

  it('leaves out an append that cannot be read, counts it, and goes on', async () => {
    const relay = startRelay('parked');
    const runId = runIdFor('parked');
    await log.append(runId, [anEvent('RunCompleted', {})]);
    await log.append(runId, [{ type: 'RunFailed', v: 1, data: '{broken' }]);
    await log.append(runId, [{ type: 'OfALaterVersion', v: 7, data: '[1]' }]);
    const messages = await arrived('parked', 2);
    await storedUpTo(log.head);
    expect(relay.state).toMatchObject({ parked: 1, published: 2 });
    expect(messages.map((message) => valueOf(message))).toMatchObject([
      { type: 'stepwell.run.RunCompleted' },
      { type: 'stepwell.run.OfALaterVersion', dataversion: 7, data: [1] },
    ]);
  });

  it('stops soon when the broker does not answer, and sends after the next start what it could not', async () => {
    const relay = startRelay('stop');
    await log.append(runIdFor('stop'), [anEvent('RunCompleted', {})]);
    await storedUpTo(log.head);
    stall();
    await log.append(runIdFor('stop'), [anEvent('RunFailed', {})]);
    await until('the event to be read', () => relay.lag.events === 1);
    const beganMs = performance.now();
    await relay.stop();
    expect(performance.now() - beganMs).toBeLessThan(2_500);
    expect(relay.state.status).toBe('stopped');
    await heal();
    relay.start();
    await storedUpTo(log.head);
    expect(firstComings(await arrived('stop', 2))).toEqual(allInOrder());
  });

  it('sends at a stop all that was read, and stores the checkpoint', async () => {
    const relay = startRelay('stop', { checkpointMs: 60_000 });
    await log.append(runIdFor('stop-all'), [anEvent('RunCompleted', {})]);
    await until('the first to be acknowledged', () => relay.state.published === 1);
    stall();
    for (let count = 0; count < 3; count++) {
      await log.append(runIdFor('stop-all'), [anEvent('RunFailed', { count })]);
      await until('the event to be read', () => relay.lag.events === count + 1);
    }
    const stopped = relay.stop();
    await heal();
    await stopped;
    expect(relay.state).toMatchObject({ status: 'stopped', published: 4 });
    expect(await checkpoint.peek()).toBe(log.head);
  });

  it('publishes nothing of a log that ends before its checkpoint', async () => {
    const { epoch } = await checkpoint.take();
    await log.append(runIdFor('other-log'), [anEvent('RunCompleted', {})]);
    await checkpoint.store(epoch, (log.head + 1_000) as Position);
    const relay = startRelay('other-log');
    await until('the failure to show', () => relay.state.status === 'retrying');
    expect(relay.state.error).toContain(`the log ends at ${log.head}`);
    expect(relay.state).toMatchObject({ published: 0, checkpoint: null });
  });

  it('publishes the largest append that the log takes', async () => {
    startRelay('largest');
    const output = 'x'.repeat(760 * 1024);
    await log.append(runIdFor('largest'), [anEvent('AttemptSucceeded', { output })]);
    await log.append(runIdFor('largest'), [anEvent('RunCompleted', {})]);
    const messages = await arrived('largest', 2);
    expect(messages.map((message) => valueOf(message).revision)).toEqual([0, 1]);
    expect(valueOf(messages[0]!).data.output).toBe(output);
  });
});
