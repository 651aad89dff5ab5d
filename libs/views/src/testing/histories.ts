import fc from 'fast-check';
import { stepKeyParts, type JsonText, type RunEvent, type RunStarted } from '#domain';
import type { Append, Commit, EventStore, NewEvent, Revision } from '#event-store';
import { LOG_START, MemoryEventStore, encodeRunEvent, runStream } from '#event-store';
import { instantOf, sha256Base32, sha256Hex } from '#runtime';

export const T0 = Date.UTC(2026, 0, 1);
export const at = (seconds: number): string => instantOf(T0 + seconds * 1_000);

/** The id of the run that is called so in a test. */
export const runIdFor = (name: string): string => sha256Base32(name, 128);

const json = (value: unknown): JsonText => JSON.stringify(value) as JsonText;

export const started = (name: string, fields: Partial<RunStarted> = {}): RunStarted => ({
  type: 'RunStarted',
  id: runIdFor(name),
  key: name,
  workflow: 'orders',
  version: 1,
  plan: sha256Hex('plan'),
  namespace: 'default',
  queue: 'default',
  tags: {},
  correlationId: null,
  requestor: null,
  fingerprint: sha256Hex(name),
  fromStep: null,
  timeoutAt: null,
  variables: json({}),
  input: json({ user: 'u-1', plan: 'free', email: 'someone@example.com' }),
  ...fields,
});

/** Step `b` has a target of its own. */
const requestOf = (step: string) =>
  ({
    method: 'POST',
    url: step === 'b' ? 'https://Payments.example:443/charge?x=1' : 'http://127.0.0.1:4000/steps/x',
    headers: {},
    contentType: 'application/json',
  }) as const;

export const entered = (step: string, kind: 'step' | 'parallel' = 'step'): RunEvent => ({
  type: 'StepEntered',
  step,
  node: 1,
  name: step,
  kind,
  parent: stepKeyParts(step).container,
  slot: null,
  slots: kind === 'parallel' ? { count: 2, window: 2 } : null,
  request: kind === 'step' ? requestOf(step) : null,
  computes: false,
  policy: null,
  deadlineAt: null,
  retriesEndAt: null,
  input: { revision: 0, pointer: '/input' },
});

export const attempted = (step: string, attempt = 1): RunEvent => ({
  type: 'AttemptStarted',
  step,
  attempt,
  dispatcher: 'd1',
  boot: 'b1',
});

export const answered = (step: string, attempt = 1): RunEvent => ({
  type: 'AttemptSucceeded',
  step,
  attempt,
  status: 200,
  output: json({ ok: true, id: 'u-1', at: '2026-01-01T00:00:00.000Z' }),
});

export const stepDone = (step: string, endsSlot = false): RunEvent => ({
  type: 'StepCompleted',
  step,
  endsSlot,
  edge: null,
  mapped: null,
  as: null,
  output: { revision: 0, pointer: '/input' },
});

export const attemptFailed = (step: string, retryAt: string | null, attempt = 1, interrupted = false): RunEvent => ({
  type: 'AttemptFailed',
  step,
  attempt,
  class: 'refused',
  status: 503,
  error: { name: 'HTTP.503', cause: 'busy\0' },
  body: 'busy',
  retryAt,
  interrupted,
});

export const stepFailed = (step: string): RunEvent => ({
  type: 'StepFailed',
  step,
  error: { name: 'HTTP.500', cause: 'broken' },
  endsSlot: false,
});

/** `inFlight`: in their first attempts. */
export const stepCancelled = (below: string | null, ...inFlight: readonly string[]): RunEvent => ({
  type: 'StepCancelled',
  below,
  reason: 'step x failed',
  attempts: inFlight.map((step) => ({ step, attempt: 1, class: 'may-have-executed' })),
});

export const stepSkipped = (step: string): RunEvent => ({
  type: 'StepSkipped',
  step,
  node: 1,
  name: step,
  kind: 'step',
  parent: null,
  slot: null,
});

const openInside = (step: string): readonly RunEvent[] => [
  entered(step, 'parallel'),
  entered(`${step}.x`),
  attempted(`${step}.x`),
];

/** How a step may go, as far as it goes. */
const STEP_SCRIPTS: readonly ((step: string) => readonly RunEvent[])[] = [
  (step) => [entered(step), attempted(step), answered(step), stepDone(step)],
  (step) => [entered(step), attempted(step), answered(step), stepDone(step)],
  (step) => [entered(step, 'parallel')],
  (step) => [entered(step)],
  (step) => [entered(step), attempted(step), attemptFailed(step, at(9))],
  (step) => [
    entered(step),
    attempted(step),
    attemptFailed(step, at(9)),
    attempted(step, 2),
    answered(step, 2),
    stepDone(step),
  ],
  (step) => [entered(step), attempted(step), attemptFailed(step, at(9), 1, true), attempted(step, 2)],
  (step) => [entered(step), attempted(step), { type: 'AttemptOutcomeUnknown', step, attempt: 1 }],
  (step) => [entered(step), attempted(step), attemptFailed(step, null), stepFailed(step)],
  (step) => [...openInside(step), attemptFailed(`${step}.x`, at(9)), stepCancelled(step), stepFailed(step)],
  (step) => [...openInside(step), stepCancelled(step, `${step}.x`), stepFailed(step)],
  (step) => [stepSkipped(step)],
];

export const completed: RunEvent = { type: 'RunCompleted', output: { revision: 0, pointer: '/input' }, mapped: null };
export const cancelled: RunEvent = { type: 'RunCancelled', reason: 'no longer wanted' };
export const failed: RunEvent = { type: 'RunFailed', step: 'a', error: { name: 'HTTP.500', cause: 'broken' } };
export const timedOut: RunEvent = { type: 'RunTimedOut', error: { name: 'Stepwell.RunTimeout', cause: null } };

/** The three-step flow as it stands in the log: 4 appends, 17 events. */
export const threeStepFlow = (name: string): readonly (readonly RunEvent[])[] => [
  [started(name, { tags: { team: 'growth' } }), entered('create-user'), attempted('create-user')],
  [
    answered('create-user'),
    stepDone('create-user'),
    entered('notify', 'parallel'),
    entered('notify.email'),
    entered('notify.analytics'),
    attempted('notify.email'),
    attempted('notify.analytics'),
  ],
  [answered('notify.email'), stepDone('notify.email', true)],
  [answered('notify.analytics'), stepDone('notify.analytics', true), stepDone('notify'), stepDone('root'), completed],
];

/** A log, in memory unless another is given, that takes appends of runs by name. */
export class TestLog {
  readonly #revisions = new Map<string, number>();

  constructor(readonly store: EventStore = new MemoryEventStore()) {}

  /** `atSeconds` after T0. An event may be one that no version knows. */
  async append(name: string, events: readonly (RunEvent | NewEvent)[], atSeconds = 0): Promise<void> {
    const isRun = name !== 'catalogue' && !name.startsWith('orders-');
    const stream = isRun ? runStream(runIdFor(name)) : (name as Append['stream']);
    const expected = (this.#revisions.get(name) ?? -1) as Revision;
    const append: Append = {
      stream,
      expected,
      events: events.map((event) => ('data' in event ? event : encodeRunEvent(event))),
      envelope: { commandId: '00', recordedAt: at(atSeconds), actor: null, traceparent: null },
    };
    const outcome = await new Promise((resolve) => this.store.append(append, resolve));
    if ((outcome as { status: string }).status !== 'appended') throw new Error(JSON.stringify(outcome));
    this.#revisions.set(name, expected + events.length);
  }

  async commits(): Promise<readonly Commit[]> {
    return this.store.readAll(LOG_START, { limit: 1_000_000 });
  }
}

export type AppendScript = {
  readonly run: string;
  readonly events: readonly (RunEvent | NewEvent)[];
  readonly at: number;
};

const POISONS: readonly NewEvent[] = [
  { type: 'RunLevitated', v: 1, data: '{}' },
  { type: 'RunCancelled', v: 1, data: '{"reason":7}' },
  { type: 'RunFailed', v: 1, data: '{}' },
  { type: 'AttemptStarted', v: 1, data: '{"attempt":1}' },
  { type: 'RunStarted', v: 9, data: 'null' },
  { type: 'StepEntered', v: 9, data: '{"step":"b"}' },
];

const runScript = (index: number): fc.Arbitrary<readonly AppendScript[]> =>
  fc
    .record({
      fields: fc.record({
        id: fc.constantFrom('', '-for-ann').map((suffix) => runIdFor(`run ${index}`) + suffix),
        key: fc.constantFrom(`key ${index}`, 'shared', 'été "x"'),
        workflow: fc.constantFrom('orders', 'users', null),
        version: fc.constantFrom(1, 2, 'draft' as const, null),
        namespace: fc.constantFrom('default', 'staging'),
        queue: fc.constantFrom('default', 'bulk'),
        tags: fc.dictionary(fc.constantFrom('team', 'a.b"c', '__x'), fc.constantFrom('growth', '', '9')),
        correlationId: fc.constantFrom(null, 'c-1', `c ${index}`),
        requestor: fc.constantFrom(null, 'ann'),
      }),
      steps: fc.array(fc.tuple(fc.constantFrom('a', 'b', 'p.c', 'p.d'), fc.constantFrom(...STEP_SCRIPTS)), {
        maxLength: 4,
      }),
      end: fc.constantFrom(null, completed, completed, failed, cancelled, timedOut),
      late: fc.constantFrom<readonly RunEvent[]>([], [{ type: 'DuplicateStartsSeen', count: 2, refused: 0 }]),
      poison: fc.option(fc.tuple(fc.nat(20), fc.constantFrom(...POISONS)), { freq: 6 }),
      sizes: fc.array(fc.integer({ min: 1, max: 4 }), { minLength: 1, maxLength: 5 }),
      at: fc.integer({ min: -100, max: 100 }),
    })
    .map(({ fields, steps, end, late, poison, sizes, at: seconds }) => {
      const events: (RunEvent | NewEvent)[] = [started(`run ${index}`, fields)];
      for (const [step, script] of steps) events.push(...script(step));
      if (end !== null) events.push(end, ...late);
      if (poison !== null) events.splice(Math.min(poison[0], events.length), 0, poison[1]);
      const appends: AppendScript[] = [];
      for (let turn = 0, from = 0; from < events.length; turn++) {
        const size = sizes[turn % sizes.length]!;
        appends.push({ run: `run ${index}`, events: events.slice(from, from + size), at: seconds + turn });
        from += size;
      }
      return appends;
    });

/** Histories of up to 12 runs, their appends interleaved, with foreign streams, late events and poison among them. */
export const histories: fc.Arbitrary<readonly AppendScript[]> = fc
  .tuple(
    fc.integer({ min: 1, max: 12 }).chain((runs) => fc.tuple(...Array.from({ length: runs }, (_, i) => runScript(i)))),
    fc.infiniteStream(fc.nat(100)),
  )
  .map(([scripts, picks]) => {
    const queues = scripts.map((script) => [...script]);
    const log: AppendScript[] = [];
    for (let open = queues; open.length > 0; open = open.filter((queue) => queue.length > 0)) {
      const pick = picks.next().value as number;
      log.push(open[pick % open.length]!.shift()!);
      if (pick % 10 === 0) log.push({ run: 'catalogue', events: [{ type: 'Noted', v: 1, data: '{}' }], at: 0 });
    }
    return log;
  });

export const logOf = async (history: readonly AppendScript[]): Promise<TestLog> => {
  const log = new TestLog();
  for (const append of history) await log.append(append.run, append.events, append.at);
  return log;
};
