import { readFileSync } from 'node:fs';
import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import type { JsonText, PayloadRef, RunEvent, RunStarted, StepEntered } from '#domain';
import { memberTexts } from '#runtime';
import { jsonTexts } from '../../runtime/testing/json-texts.js';
import { decodeRunEvent, encodeRunEvent, UnknownEvent } from './run-event-codec.js';

// A reason for the cast: JSON without space between its tokens.
const payload = jsonTexts.map(({ compact }) => compact as JsonText);
const name = fc.string({ unit: 'binary' });
// What names of nodes and keys of steps are made of; boots and instants are a part of it.
const key = fc.stringMatching(/^[A-Za-z0-9_.~=:-]{0,40}$/);
const orNull = <T>(value: fc.Arbitrary<T>): fc.Arbitrary<T | null> => fc.option(value, { nil: null });
const count = fc.nat();
const ref: fc.Arbitrary<PayloadRef> = fc.record(
  { revision: count, pointer: fc.oneof(fc.constantFrom('/input', '/output', '/outputRefs/1'), name) },
  { noNullPrototype: true },
);
const texts = fc.dictionary(name, name, { noNullPrototype: true });
const error = fc.record({ name, cause: orNull(name) }, { noNullPrototype: true });
const kind = fc.constantFrom('step', 'sequence', 'parallel', 'pass', 'succeed', 'fail');
const failureClass = fc.constantFrom('refused', 'not-executed', 'may-have-executed');
const record = <T>(members: { [K in keyof T]: fc.Arbitrary<T[K]> }) => fc.record(members, { noNullPrototype: true });
const attempt = { step: key, attempt: count };
const method = fc.constantFrom('GET', 'POST', 'PUT', 'PATCH', 'DELETE');
const request = record({ method, url: name, headers: texts, contentType: name });

const enteredWith: fc.Arbitrary<StepEntered['input']> = fc.oneof(ref, record({ value: payload }));

type Arbitraries = { readonly [T in RunEvent['type']]: fc.Arbitrary<Omit<Extract<RunEvent, { type: T }>, 'type'>> };

const EVENTS: Arbitraries = {
  RunStarted: record({
    id: name,
    key: name,
    workflow: orNull(name),
    version: fc.oneof(count, fc.constant('draft' as const), fc.constant(null)),
    plan: name,
    namespace: name,
    queue: name,
    tags: texts,
    correlationId: orNull(name),
    requestor: orNull(name),
    fingerprint: name,
    fromStep: orNull(name),
    timeoutAt: orNull(name),
    variables: payload,
    input: payload,
  }),
  RunCompleted: record({ output: ref, mapped: orNull(payload) }),
  RunFailed: record({ step: key, error }),
  RunCancelled: record({ reason: orNull(name) }),
  RunTimedOut: record({ error }),
  DuplicateStartsSeen: record({ count, refused: count }),
  StepEntered: record<Omit<StepEntered, 'type'>>({
    step: key,
    node: count,
    name: key,
    kind,
    parent: orNull(key),
    slot: orNull(count),
    slots: orNull(record({ count, window: count })),
    request: orNull(request),
    policy: orNull(count),
    computes: fc.boolean(),
    deadlineAt: orNull(key),
    retriesEndAt: orNull(key),
    input: enteredWith,
  }),
  ValuesComputed: record({
    step: key,
    request: orNull(request),
    slots: orNull(record({ from: count, count, window: count })),
    items: orNull(fc.oneof(ref, record({ value: payload }))),
    wait: orNull(record({ wakeAt: key, ms: orNull(count) })),
  }),
  SlotOpened: record({ step: key, slot: count }),
  WaitEnded: record({ step: key }),
  StepCompleted: record({
    step: key,
    endsSlot: fc.boolean(),
    edge: orNull(record({ index: count, next: orNull(count) })),
    output: fc.oneof(ref, record({ value: payload }), record({ all: fc.array(orNull(ref)) })),
    mapped: orNull(payload),
    as: orNull(key),
  }),
  StepFailed: record({ step: key, error, endsSlot: fc.boolean() }),
  StepCancelled: record({
    below: orNull(key),
    reason: name,
    attempts: fc.array(record({ step: key, attempt: count, class: failureClass })),
  }),
  StepSkipped: record({ step: key, node: count, name, kind, parent: orNull(name), slot: orNull(count) }),
  AttemptStarted: record({ ...attempt, dispatcher: name, boot: key }),
  AttemptSucceeded: record({ ...attempt, status: count, output: payload }),
  AttemptFailed: record({
    ...attempt,
    class: failureClass,
    status: orNull(count),
    error,
    body: orNull(name),
    retryAt: orNull(name),
    interrupted: fc.boolean(),
  }),
  AttemptOutcomeUnknown: record(attempt),
  DuesMoved: record({
    retries: fc.array(record({ step: key, retryAt: key })),
    deadlines: fc.array(record({ step: key, deadlineAt: key })),
    waits: fc.array(record({ step: key, wakeAt: key })),
    timeoutAt: orNull(key),
  }),
  RunArchived: record({
    id: name,
    key: name,
    workflow: orNull(name),
    version: fc.oneof(count, fc.constant('draft' as const), fc.constant(null)),
    plan: name,
    namespace: name,
    fingerprint: name,
    status: fc.constantFrom('completed', 'failed', 'cancelled', 'timed-out'),
    startedAt: name,
    finishedAt: name,
    events: count,
    file: name,
  }),
  Foreign: record({
    eventType: name,
    bytes: count,
    content: fc.jsonValue().map((value) => JSON.parse(JSON.stringify(value)) as unknown),
  }),
};
const anyEvent: fc.Arbitrary<RunEvent> = fc.oneof(
  ...Object.entries(EVENTS).map(([type, members]) =>
    (members as fc.Arbitrary<object>).map((event) => ({ type, ...event }) as RunEvent),
  ),
);

type Golden = { readonly type: string; readonly v: number; readonly data: unknown; readonly event: RunEvent };
/** Never edited, only added to: what a log somewhere holds. */
const golden = JSON.parse(
  readFileSync(new URL('../../../../libs/event-store/testing/golden-run-events.json', import.meta.url), 'utf8'),
) as readonly Golden[];

describe('the codec of run events', () => {
  it('gives back every event that it stored, also when others have put its members in another order', () => {
    fc.assert(
      fc.property(anyEvent, (event) => {
        const { type, v, data } = encodeRunEvent(event);
        expect(decodeRunEvent(type, v, data)).toEqual(event);
        const others = [...memberTexts(data)].reverse().map(([member, text]) => `${JSON.stringify(member)}:${text}`);
        expect(decodeRunEvent(type, v, `{${others.join()}}`)).toEqual(event);
      }),
      { numRuns: 2000 },
    );
  });

  it.each(golden)('reads $type version $v as it was first written', ({ type, v, data, event }) => {
    expect(decodeRunEvent(type, v, JSON.stringify(data))).toEqual(event);
  });

  it('has a golden example of every event, with every way to hold a payload', () => {
    expect(new Set(golden.map(({ type }) => type))).toEqual(new Set(Object.keys(EVENTS)));
    const payloads = golden.flatMap(({ data }) =>
      Object.keys(data as object).filter((key) => /^(in|out)put/.test(key)),
    );
    expect(new Set(payloads)).toEqual(new Set(['input', 'inputRef', 'output', 'outputRef', 'outputRefs']));
  });

  it('writes today what the golden examples hold', () => {
    for (const { type, v, data, event } of golden) {
      const encoded = encodeRunEvent(event);
      expect({ type: encoded.type, v: encoded.v, data: JSON.parse(encoded.data) }).toEqual({ type, v, data });
    }
  });

  it('stores a payload where its pointer says, and as the text it was', () => {
    const output = '{"b":[1,{"a":"é\\n"}]}' as JsonText;
    const { data } = encodeRunEvent({ type: 'AttemptSucceeded', step: 'ship', attempt: 1, status: 200, output });
    expect(data).toBe(`{"step":"ship","attempt":1,"status":200,"output":${output}}`);
  });

  it('gives each tag its own name, behind a run with one that is a backslash', () => {
    const started = golden.find(({ type }) => type === 'RunStarted')?.event as RunStarted;
    for (const name of ['\\', '"', '\\"']) {
      const event: RunStarted = { ...started, tags: { customer: 'acme', [name]: '1' } };
      const { type, v, data } = encodeRunEvent(event);
      expect(decodeRunEvent(type, v, data)).toEqual(event);
    }
  });

  it.each([
    ['RunTeleported', 1],
    ['RunStarted', 2],
    ['__proto__', 1],
    ['constructor', 1],
  ])('refuses %s version %i by name', (type, v) => {
    expect(() => decodeRunEvent(type, v, '{}')).toThrow(UnknownEvent);
  });
});
