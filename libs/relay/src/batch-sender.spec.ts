import { beforeEach, describe, expect, it } from '@jest/globals';
import { APPEND_BYTES_MAX, MemoryEventStore, runStream, type RecordedEvent } from '#event-store';
import { systemClock } from '#runtime';
import { MemoryPublisher } from '../testing/memory-publisher.js';
import { anEvent, RunLog, runIdFor } from '../testing/run-log.js';
import { BATCH_BYTES_MAX, BATCH_EVENTS_MAX, BatchSender } from './batch-sender.js';
import { BackOff } from './back-off.js';
import { messageBytes } from './publisher.js';
import { runEventMessage } from './run-event-message.js';

const RUN = runIdFor('batch-sender');
/** What a broker takes by default: 1 MiB, its own overhead included. */
const BROKER_BYTES_MAX = 1_048_588;

let attempts: unknown[];
beforeEach(() => {
  attempts = [];
});

const senderOver = (publisher: MemoryPublisher, batchBytesMax = BATCH_BYTES_MAX): BatchSender =>
  new BatchSender(publisher, systemClock, new BackOff(1, 2, () => 0.5), {
    topic: 't',
    batchBytesMax,
    batchEventsMax: BATCH_EVENTS_MAX,
    onAttempt: (failure) => attempts.push(failure),
  });

/** Events of one run with payloads of these sizes. */
const eventsOf = async (sizes: readonly number[]): Promise<readonly RecordedEvent[]> => {
  const store = new MemoryEventStore();
  const log = new RunLog(store);
  for (const size of sizes) await log.append(RUN, [anEvent('AttemptSucceeded', { output: 'x'.repeat(size) })]);
  return store.readStream(runStream(RUN));
};
const sent = (publisher: MemoryPublisher) =>
  (publisher.topics.get('t') ?? []).map(({ value }) => JSON.parse(String(value)));
const revisions = (count: number) => Array.from({ length: count }, (_, revision) => revision);
const NEVER = new AbortController().signal;

describe('BatchSender', () => {
  it('bounds a batch in bytes and in events', async () => {
    const publisher = new MemoryPublisher(Infinity);
    await senderOver(publisher, 10_000).send(await eventsOf(Array(50).fill(1_000)), NEVER);
    expect(sent(publisher).map(({ revision }) => revision)).toEqual(revisions(50));
    for (const { bytes } of publisher.batches) expect(bytes).toBeLessThanOrEqual(10_000);
    const many = new MemoryPublisher(Infinity);
    await senderOver(many, Infinity).send(await eventsOf(Array(BATCH_EVENTS_MAX + 1).fill(1)), NEVER);
    expect(many.batches.map(({ messages }) => messages)).toEqual([BATCH_EVENTS_MAX, 1]);
  });

  it('makes no batch, nor a message of the largest append, that a broker refuses by default', async () => {
    const [largest] = await eventsOf([APPEND_BYTES_MAX - 300]);
    expect(messageBytes(runEventMessage(largest!))).toBeLessThan(BATCH_BYTES_MAX);
    expect(BATCH_BYTES_MAX).toBeLessThan(BROKER_BYTES_MAX);
  });

  it('sends smaller batches to a broker that takes less, in order, and learns from it', async () => {
    const publisher = new MemoryPublisher(8_000);
    const sender = senderOver(publisher);
    await sender.send(await eventsOf(Array(40).fill(1_000)), NEVER);
    expect(sent(publisher).map(({ revision }) => revision)).toEqual(revisions(40));
    expect(sender.counts).toEqual({ published: 40, truncated: 0 });
    const { refusals } = publisher;
    await sender.send(await eventsOf(Array(40).fill(1_000)), NEVER);
    expect(publisher.refusals).toBe(refusals);
    expect(publisher.batches).toHaveLength(40);
  });

  it('sends an event without its data when it is too large by itself, and the others whole', async () => {
    const publisher = new MemoryPublisher(8_000);
    const sender = senderOver(publisher);
    expect(await sender.send(await eventsOf([10, 20_000, 10]), NEVER)).toBe(true);
    const [before, large, after] = sent(publisher);
    expect([before.data, after.data]).toEqual([{ output: 'x'.repeat(10) }, { output: 'x'.repeat(10) }]);
    expect(large).toMatchObject({ revision: 1, dataref: `/v1/runs/${RUN}/events?from=1&limit=1` });
    expect(large).not.toHaveProperty('data');
    const marked = publisher.topics.get('t')!.map(({ headers }) => headers['stepwell-truncated']);
    expect(marked).toEqual([undefined, 'true', undefined]);
    expect(sender.counts).toEqual({ published: 3, truncated: 1 });
  });

  it('tries again, slower, until the broker has taken it, and says so', async () => {
    const publisher = new MemoryPublisher(Infinity);
    publisher.failures = 3;
    expect(await senderOver(publisher).send(await eventsOf([1]), NEVER)).toBe(true);
    expect(attempts).toEqual([expect.any(Error), expect.any(Error), expect.any(Error), null]);
  });

  it('gives up at the first failure when it is to stop', async () => {
    const publisher = new MemoryPublisher(Infinity);
    publisher.failures = 1;
    expect(await senderOver(publisher).send(await eventsOf([1]), AbortSignal.abort())).toBe(false);
    expect(await senderOver(publisher).send(await eventsOf([1]), AbortSignal.abort())).toBe(true);
  });

  it('keeps asking a broker that refuses even what is left of an event: none is left out', async () => {
    const stop = new AbortController();
    const publisher = new MemoryPublisher(10);
    const sending = senderOver(publisher).send(await eventsOf([1]), stop.signal);
    while (attempts.length < 3) await new Promise((resolve) => setImmediate(resolve));
    stop.abort();
    expect(await sending).toBe(false);
    expect(publisher.topics.size).toBe(0);
  });
});
