import type { RunShape } from '../support/shapes.js';

/** One kind of run of the crash test: its definition, and how its runs must end whatever is killed meanwhile. */
export type Workload = {
  readonly name: string;
  /** How often it is chosen, relative to the others; 0: only by name. */
  readonly weight: number;
  readonly definition: unknown;
  /** Members of the start beside workflow and input. */
  readonly start?: Readonly<Record<string, unknown>>;
  /** Clients cancel some of its runs. */
  readonly cancellable: boolean;
  /** Its steps are done twice even when nothing is killed: a timed-out attempt goes on in the application. */
  readonly repeatsEffects: boolean;
  /** Null, or what is wrong with an ended run that nobody cancelled. */
  readonly wrong: (run: RunShape) => string | null;
};

const step = (name: string, path = name, rest: object = {}): unknown => ({
  type: 'step',
  name,
  url: `/steps/${path}`,
  ...rest,
});
const sequence = (...steps: unknown[]): unknown => ({ type: 'sequence', steps });
const parallel = (branches: unknown[], rest: object = {}): unknown => ({ type: 'parallel', branches, ...rest });
const userFlow = sequence(step('create-user'), parallel([step('send-email'), step('send-analytics')]));

const ends =
  (status: string, error: string | null = null, output?: unknown) =>
  (run: RunShape): string | null => {
    if (run.status !== status) return `is ${run.status}, not ${status}`;
    if (error !== null && run.error?.name !== error)
      return `failed with ${run.error?.name ?? 'no error'}, not ${error}`;
    if (output !== undefined && JSON.stringify(run.output) !== JSON.stringify(output))
      return `gave ${JSON.stringify(run.output)}`;
    return null;
  };

/** Requests of 0.1 to 8 s. */
const waits = sequence(
  step('first', 'slow?delayMs=100'),
  parallel([100, 800, 3_000, 8_000].map((delayMs) => step(`of-${delayMs}`, `slow?delayMs=${delayMs}`))),
  step('last', 'slow?delayMs=300'),
);

/** Every kind of node that has a place of its own in time: items in a window, rounds with waits, a way that is chosen, a url that is computed. */
const language = sequence(
  {
    type: 'map',
    name: 'items',
    over: [1, 2, 3, 4],
    concurrency: 2,
    as: 'each',
    each: step('slow', 'slow?delayMs=30'),
  },
  {
    type: 'repeat',
    name: 'loop',
    do: sequence(step('send-email'), { type: 'wait', seconds: 0.02 }),
    until: '{% $round = 3 %}',
  },
  {
    type: 'choice',
    name: 'way',
    rules: [
      {
        when: '{% $steps.each[3].delayMs = 30 %}',
        then: { type: 'step', name: 'create-user', url: '{% "/steps/create-user" %}' },
      },
    ],
    otherwise: { type: 'fail' },
    output: '{% $steps.each[0] %}',
  },
);

/**
 * `target`: the sample application; `trap`: the one in this process, which can kill the server as a request arrives. `standStill`:
 * processes do at times, and take an answer that came meanwhile though its time, or that of its run, was over.
 */
export const workloads = (target: string, trap: string, standStill = false): readonly Workload[] => {
  const inTime =
    (wrong: Workload['wrong']): Workload['wrong'] =>
    (run) =>
      standStill && run.status === 'completed' ? null : wrong(run);
  const retry = { maxAttempts: 10, initialIntervalMs: 20, maxIntervalMs: 200 };
  const of = (name: string, root: unknown, wrong: Workload['wrong'], rest: Partial<Workload> = {}): Workload => ({
    name,
    weight: 1,
    definition: { target, retry, root },
    cancellable: false,
    repeatsEffects: false,
    wrong,
    ...rest,
  });
  const nested = parallel(
    [
      sequence(
        step('create-user'),
        parallel([step('send-email', 'send-email?delayMs=30'), step('send-analytics')], { name: 'inner' }),
        { type: 'pass', output: 'left' },
      ),
      step('slow', 'slow?delayMs=80'),
      sequence({ type: 'pass', output: 'right' }, { type: 'succeed' }),
    ],
    { name: 'outer', reduce: 'all' },
  );
  return [
    of('single', step('create-user'), ends('completed'), { weight: 2 }),
    of('flow', userFlow, ends('completed'), { weight: 3 }),
    of('trapped', userFlow, ends('completed'), { weight: 3, definition: { target: trap, retry, root: userFlow } }),
    of('flaky', sequence(step('flaky', 'flaky?failures=2'), step('send-email')), ends('completed'), { weight: 2 }),
    of('nested', nested, ends('completed', null, ['left', { delayMs: 80 }, 'right']), { weight: 2 }),
    of(
      'values',
      sequence({ type: 'pass', output: { answer: 42 } }, { type: 'succeed' }),
      ends('completed', null, { answer: 42 }),
    ),
    of(
      'failing',
      sequence(step('create-user'), { type: 'fail', error: 'Crash.Wanted', cause: 'as written' }),
      ends('failed', 'Crash.Wanted'),
    ),
    of('refused', step('refuse', 'refuse?error=Sample.NoWay'), ends('failed', 'Sample.NoWay')),
    of(
      'continue',
      parallel([step('refuse', 'refuse'), step('send-email')], { onError: 'continue' }),
      ends('completed'),
    ),
    of('reset', step('reset', 'reset?failures=1'), ends('completed'), { weight: 2 }),
    of('language', language, ends('completed', null, { delayMs: 30 }), { weight: 3 }),
    of('slow', sequence(step('slow', 'slow?delayMs=300'), step('send-email')), ends('completed'), {
      weight: 3,
      cancellable: true,
    }),
    of('long', step('slow', 'slow?delayMs=2000'), ends('completed'), { weight: 0 }),
    of('waiting', waits, ends('completed'), { weight: 0 }),
    of(
      'late',
      step('slow', 'slow?delayMs=400', { timeouts: { answerMs: 150 }, retry: { ...retry, maxAttempts: 2 } }),
      inTime(ends('failed', 'Stepwell.Timeout')),
      { repeatsEffects: true },
    ),
    of('timed', step('slow', 'slow?delayMs=600'), inTime(ends('timed-out')), {
      start: { timeoutMs: 150 },
      repeatsEffects: true,
    }),
  ];
};
