import { beforeEach, describe, expect, it } from '@jest/globals';
import { silentLog, systemClock } from '#runtime';
import { MemoryPublisher } from '../testing/memory-publisher.js';
import { MemoryStartRuns } from '../testing/memory-start-runs.js';
import { BackOff } from './back-off.js';
import type { TriggerMessage } from './trigger-message.js';
import { STARTS_MAX, TriggeredStarts } from './triggered-starts.js';

let runs: MemoryStartRuns;
let publisher: MemoryPublisher;
let attempts: unknown[];
beforeEach(() => {
  runs = new MemoryStartRuns();
  publisher = new MemoryPublisher(Infinity);
  attempts = [];
});

const NEVER = new AbortController().signal;
const startsOf = (workflow: string | null = null): TriggeredStarts =>
  new TriggeredStarts(
    runs,
    publisher,
    systemClock,
    silentLog,
    { keyHeader: 'idempotency-key', workflow, deadLetterTopic: 'dead' },
    (failure) => attempts.push(failure),
  );
const handle = (starts: TriggeredStarts, group: readonly TriggerMessage[], signal = NEVER): Promise<boolean> =>
  starts.handle(group, new BackOff(1, 2, () => 0.5), signal);

let places = 0;
const message = (value: unknown, headers: Record<string, any> = {}): TriggerMessage => ({
  topic: 'orders',
  partition: 3,
  offset: String(++places),
  key: Buffer.from('k'),
  value: value === null ? null : Buffer.from(typeof value === 'string' ? value : JSON.stringify(value)),
  headers: Object.fromEntries(
    Object.entries(headers).map(([name, text]) => [name, typeof text === 'string' ? Buffer.from(text) : text]),
  ),
});
const start = (input: unknown) => ({ workflow: 'known', input });
const letters = () => publisher.topics.get('dead') ?? [];

describe('TriggeredStarts', () => {
  it('takes the key from the header, else from the place of the message', async () => {
    const starts = startsOf();
    const keyed = message(start(1), { 'idempotency-key': 'order-7' });
    const unkeyed = message(start(2));
    expect(await handle(starts, [keyed, unkeyed])).toBe(true);
    expect([...runs.runs.keys()]).toEqual(['order-7', `orders-3-${unkeyed.offset}`]);
    expect(await handle(starts, [keyed, unkeyed])).toBe(true);
    expect(starts.counts).toEqual({ started: 2, replayed: 2, deadLettered: 0 });
    const long = { ...message(start(3)), topic: 't'.repeat(249), offset: '1234567890' };
    await handle(starts, [long]);
    expect([...runs.runs.keys()].at(-1)).toMatch(/^[0-9a-f]{64}$/);
  });

  it('says who asks: by the header of the message, else the topic', async () => {
    const actors: string[] = [];
    runs.before = async ({ actor }) => void actors.push(actor);
    for (const starts of [startsOf(), startsOf('known')])
      await handle(starts, [message(start(1), { 'stepwell-actor': 'billing' }), message(start(2))]);
    expect(actors).toEqual(['billing', 'kafka:orders', 'billing', 'kafka:orders']);
  });

  it('takes any JSON as the input of the configured workflow, and nothing else out of it', async () => {
    const starts = startsOf('known');
    const tricks = ['1,"namespace":"other"', '1},{"a":2', '{"a":1,"a":2}', '{"__proto__":{}}', ''];
    const marked = message('\uFEFF1');
    await handle(starts, [
      message('{ "total" : 7 }'),
      ...tricks.map((trick) => message(trick)),
      marked,
      message('null'),
    ]);
    expect([...runs.runs.values()].map(({ input }) => input)).toEqual([{ total: 7 }, 1, null]);
    expect(letters().map(({ value }) => String(value))).toEqual(tricks);
  });

  it('puts what can start no run into the dead-letter topic, as it came and with the reason', async () => {
    const starts = startsOf();
    const known = message(start(1), { 'idempotency-key': 'a' });
    await handle(starts, [known]);
    const poison = [
      message('{not json', { trace: 'x' }),
      message({ workflow: 'unknown' }),
      message(start(2), { 'idempotency-key': 'a' }),
      message(null),
      message(start(3), { 'idempotency-key': [Buffer.from('b'), Buffer.from('c')] }),
    ];
    expect(await handle(starts, poison)).toBe(true);
    expect(letters().map(({ headers }) => headers['stepwell-code'])).toEqual([
      'malformed-json',
      'workflow-not-found',
      'idempotency-key-reused',
      'empty-message',
      'idempotency-key-invalid',
    ]);
    expect(letters()[0]).toEqual({
      key: Buffer.from('k'),
      value: Buffer.from('{not json'),
      headers: {
        trace: Buffer.from('x'),
        'stepwell-code': 'malformed-json',
        'stepwell-reason': expect.stringMatching(/\w/),
        'stepwell-topic': 'orders',
        'stepwell-partition': '3',
        'stepwell-offset': poison[0]!.offset,
      },
    });
    expect(starts.counts).toEqual({ started: 1, replayed: 0, deadLettered: 5 });
  });

  it('leaves out the value of a dead letter that is too large, and its headers when these are', async () => {
    publisher = new MemoryPublisher(700);
    const starts = startsOf();
    await handle(starts, [message('x'.repeat(1_000), { own: 'kept' }), message('x', { own: 'x'.repeat(1_000) })]);
    const [first, second] = letters();
    expect([first!.value, second!.value, second!.key]).toEqual([null, null, null]);
    expect(first!.headers).toMatchObject({ own: Buffer.from('kept'), 'stepwell-truncated': 'true' });
    expect(second!.headers).not.toHaveProperty('own');
    expect(second!.headers).toMatchObject({ 'stepwell-code': 'malformed-json', 'stepwell-topic': 'orders' });
  });

  it('repeats what is unavailable, and that alone, until it is started', async () => {
    const starts = startsOf();
    runs.failures = 2;
    const group = [message(start(1)), message(start(2)), message(start(3))];
    expect(await handle(starts, group)).toBe(true);
    const [one, two, three] = group.map(({ offset: place }) => `orders-3-${place}`);
    expect(runs.asked).toEqual([one, two, three, one, two]);
    expect(starts.counts.started).toBe(3);
    expect(attempts).toEqual([expect.any(Error), null]);
  });

  it('takes a mistake of the one who starts for unavailable: the message is not lost', async () => {
    let mistakes = 2;
    runs.before = async () => {
      if (mistakes-- > 0) throw new TypeError('a mistake');
    };
    expect(await handle(startsOf(), [message(start(1))])).toBe(true);
    expect(runs.runs.size).toBe(1);
  });

  it('waits for the dead-letter topic rather than lose the message', async () => {
    publisher.failures = 3;
    expect(await handle(startsOf(), [message('{')])).toBe(true);
    expect(letters()).toHaveLength(1);
    expect(attempts).toHaveLength(4);
  });

  it('ends without having handled all when it is to stop', async () => {
    runs.failures = Infinity;
    const stop = new AbortController();
    const handled = handle(startsOf(), [message(start(1))], stop.signal);
    stop.abort();
    expect(await handled).toBe(false);
    publisher.failures = Infinity;
    runs.failures = 0;
    expect(await handle(startsOf(), [message('{')], AbortSignal.abort())).toBe(false);
  });

  it('lets the first of two messages with one key win, though it has to be tried again', async () => {
    const starts = startsOf();
    const twice = [start('first'), start('second')].map((body) => message(body, { 'idempotency-key': 'same' }));
    const groups = starts.groups([message(start(0)), ...twice]);
    expect(groups.map((group) => group.length)).toEqual([2, 1]);
    runs.failures = 2;
    for (const group of groups) await handle(starts, group);
    expect(runs.runs.get('same')!.input).toBe('first');
    expect(letters().map(({ headers }) => headers['stepwell-code'])).toEqual(['idempotency-key-reused']);
  });

  it('has no more starts under way together than the bound, in the order of the messages', async () => {
    const messages = Array.from({ length: 2 * STARTS_MAX + 1 }, () => message(start(1)));
    const groups = startsOf().groups(messages);
    expect(groups.map((group) => group.length)).toEqual([STARTS_MAX, STARTS_MAX, 1]);
    expect(groups.flat()).toEqual(messages);
  });
});
