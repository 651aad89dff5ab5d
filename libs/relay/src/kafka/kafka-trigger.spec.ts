import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals';
import { armFailpoint, silentLog, systemClock, systemEntropy } from '#runtime';
import { kafkaProxies, testKafka, type TestKafka } from '../../../../test/support/kafka.js';
import {
  committed,
  highWatermarks,
  makeTopics,
  sendMessages,
  TopicReader,
  topicName,
} from '../../../../test/support/kafka-topics.js';
import { eventually } from '../../../../test/support/pause.js';
import type { FaultProxy } from '../../../../test/support/fault-proxy.js';
import { MemoryStartRuns } from '../../testing/memory-start-runs.js';
import { KafkaPublisher } from './kafka-publisher.js';
import { KafkaTrigger } from './kafka-trigger.js';

const NAMES = ['order', 'crash', 'poison', 'away', 'shared', 'cut'] as const;
type Name = (typeof NAMES)[number];
const TOPICS = Object.fromEntries(NAMES.map((name) => [name, topicName('kafka-trigger', name)])) as Record<
  Name,
  string
>;
const DEAD = topicName('kafka-trigger', 'dead-letters');
const TIMEOUTS = { connectMs: 500, requestMs: 1_000 };

/** A trigger with the runs that it starts. */
type World = { readonly trigger: KafkaTrigger; readonly runs: MemoryStartRuns };

let kafka: TestKafka;
let reader: TopicReader;
let proxied: readonly string[];
let proxies: readonly FaultProxy[] = [];
/** What was opened for all tests, also by a beginning that failed halfway. */
const opened: { stop(): Promise<void> }[] = [];
/** One a test, nearly all begun at once: to join a group takes a broker three seconds. */
let worlds: Record<Name, World>;
const triggers: KafkaTrigger[] = [];
beforeAll(async () => {
  kafka = await testKafka();
  opened.push(kafka);
  ({ brokers: proxied, proxies } = await kafkaProxies(kafka));
  opened.push(...proxies);
  await makeTopics(kafka, [...Object.values(TOPICS), DEAD]);
  worlds = Object.fromEntries(
    NAMES.filter((name) => name !== 'shared').map((name) => [name, startWorld(name)]),
  ) as Record<Name, World>;
  reader = new TopicReader(kafka, [DEAD]);
  opened.push(reader);
  await reader.start();
}, 60_000);
afterEach(() => Promise.all(proxies.map((proxy) => proxy.heal())));
afterAll(async () => {
  await Promise.all(triggers.map((trigger) => trigger.stop()));
  for (const part of opened.reverse()) await part.stop();
}, 30_000);

const startWorld = (name: Name, runs = new MemoryStartRuns()): World => {
  const connection = { brokers: proxied, tls: false, sasl: null };
  const publisher = new KafkaPublisher(connection, TIMEOUTS);
  const trigger = new KafkaTrigger(connection, runs, publisher, systemClock, systemEntropy, silentLog, {
    topic: TOPICS[name],
    groupId: TOPICS[name],
    keyHeader: 'idempotency-key',
    workflow: null,
    deadLetterTopic: DEAD,
    timeouts: TIMEOUTS,
    sessionMs: kafka.sessionMsMin,
  });
  triggers.push(trigger);
  trigger.start();
  return { trigger, runs };
};
const body = (input: unknown): string => JSON.stringify({ workflow: 'known', input });
const send = (name: Name, inputs: readonly unknown[], partition?: number) =>
  sendMessages(
    kafka,
    TOPICS[name],
    inputs.map((input) => ({
      value: body(input),
      headers: { 'idempotency-key': `key-${String(input)}` },
      ...(partition === undefined ? undefined : { partition }),
    })),
  );
const numbers = (from: number, until: number) => Array.from({ length: until - from }, (_, index) => from + index);
const until = (what: string, holds: () => boolean, timeoutMs?: number) =>
  eventually(what, async () => (holds() ? true : null), timeoutMs);
const committedAll = (name: Name) =>
  eventually(`all of ${name} to be committed`, async () => {
    const places = await committed(kafka, TOPICS[name], TOPICS[name]);
    const sum = places.reduce((total, place) => total + Math.max(place, 0), 0);
    return sum === (await highWatermarks(kafka, TOPICS[name])) ? true : null;
  });

describe('KafkaTrigger', () => {
  it('starts the runs of a partition in the order of its messages, and commits only after they were started', async () => {
    const { runs, trigger } = worlds.order;
    const early: string[] = [];
    const behind: number[] = [];
    runs.before = async ({ key }) => {
      behind.push(trigger.lag.messages);
      const place = Number(key.slice('key-'.length));
      const known = (await committed(kafka, TOPICS.order, TOPICS.order))[2] ?? -1;
      if (known > place) early.push(`${key}: ${known} is committed`);
    };
    await send('order', numbers(0, 100), 2);
    await committedAll('order');
    expect(runs.asked).toEqual(numbers(0, 100).map((number) => `key-${number}`));
    expect(early).toEqual([]);
    expect(Math.min(...behind)).toBeGreaterThan(0);
    expect(trigger.lag).toEqual({ messages: 0, seconds: 0 });
    expect(trigger.state).toEqual({ status: 'following', error: null, started: 100, replayed: 0, deadLettered: 0 });
    await trigger.stop();
    expect(trigger.state.status).toBe('stopped');
  });

  it('makes one run of a message that comes again, because of a crash between the append and the commit', async () => {
    const { runs, trigger } = worlds.crash;
    let crashes = 0;
    const takeBack = armFailpoint('relay.trigger.after-start', () => {
      if (crashes++ < 2) throw new Error('a crash');
    });
    await send('crash', numbers(0, 20), 0);
    await committedAll('crash');
    takeBack();
    expect(crashes).toBeGreaterThan(2);
    expect(runs.asked.length).toBeGreaterThanOrEqual(60);
    expect([...runs.runs.keys()]).toEqual(numbers(0, 20).map((number) => `key-${number}`));
    expect(trigger.state).toMatchObject({ started: 20, deadLettered: 0 });
  });

  it('puts a poison message into the dead-letter topic, and goes on behind it', async () => {
    const { runs } = worlds.poison;
    const poison = { value: '{not json', key: 'k', headers: { own: 'header' }, partition: 1 };
    await send('poison', [0], 1);
    await sendMessages(kafka, TOPICS.poison, [poison]);
    await send('poison', [1], 1);
    await committedAll('poison');
    expect([...runs.runs.keys()]).toEqual(['key-0', 'key-1']);
    const [letter] = await reader.until(DEAD, (messages) => messages.length > 0);
    expect([String(letter!.key), String(letter!.value)]).toEqual(['k', '{not json']);
    const headers = Object.fromEntries(Object.entries(letter!.headers!).map(([name, text]) => [name, String(text)]));
    expect(headers).toEqual({
      own: 'header',
      'stepwell-code': 'malformed-json',
      'stepwell-reason': expect.stringMatching(/\w/),
      'stepwell-topic': TOPICS.poison,
      'stepwell-partition': '1',
      'stepwell-offset': '1',
    });
  });

  it('waits for a log that is away, without committing past what it owes', async () => {
    const { runs, trigger } = worlds.away;
    runs.failures = Infinity;
    await send('away', numbers(0, 10), 3);
    await until('the failure to show', () => trigger.state.status === 'retrying' && runs.asked.length >= 20);
    expect(trigger.state.error).toBe('the log is away');
    expect((await committed(kafka, TOPICS.away, TOPICS.away))[3]).toBe(-1);
    runs.failures = 0;
    await committedAll('away');
    expect(runs.runs.size).toBe(10);
    expect(trigger.state).toMatchObject({ status: 'following', error: null });
  });

  it('goes on by itself when the broker was away, and stops soon while it is', async () => {
    const { runs, trigger } = worlds.cut;
    await send('cut', numbers(0, 5));
    await until('the first runs', () => runs.runs.size === 5);
    for (const proxy of proxies) await proxy.cut();
    await send('cut', numbers(5, 10));
    await until('the failure to show', () => trigger.state.status === 'retrying');
    for (const proxy of proxies) await proxy.heal();
    await until('the other runs', () => runs.runs.size === 10);
    for (const proxy of proxies) proxy.stall();
    const beganMs = performance.now();
    await trigger.stop();
    expect(performance.now() - beganMs).toBeLessThan(5_000);
  }, 40_000);

  it('shares the partitions with another of its group, and loses nothing when that one joins or leaves', async () => {
    // Begun here: what was cut before takes its time to come back.
    const { runs, trigger: first } = startWorld('shared');
    await send('shared', numbers(0, 100));
    await until('the first to have begun', () => runs.runs.size > 0);
    const { trigger: second } = startWorld('shared', runs);
    let sent = 100;
    await eventually('the second to have a share', async () => {
      await send('shared', numbers(sent, sent + 20));
      sent += 20;
      return second.state.started > 0 ? true : null;
    });
    await first.stop();
    await send('shared', numbers(sent, sent + 100));
    sent += 100;
    await until('all runs', () => runs.runs.size === sent);
    await committedAll('shared');
    expect(first.state.started + second.state.started).toBe(sent);
  }, 40_000);
});
