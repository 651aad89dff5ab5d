import { afterEach, describe, expect, it } from '@jest/globals';
import type { JsonText, Plan, RunCommand } from '#domain';
import { runStream } from '#event-store';
import {
  newEngine,
  NOBODY,
  POLICIES,
  Recorder,
  runIdOf,
  stepNode,
  stopEngines,
  TwistedStore,
} from './testing/engine-world.js';
import { eventually } from '../../../test/support/pause.js';

afterEach(stopEngines);

/** Branches of one step each beside each other, but for the first branch, which may go on with another step. */
const sideBySide = (branches: number, goesOn: boolean): Plan => ({
  v: 1,
  output: null,
  timeoutMs: null,
  scopes: [
    { entry: 0, container: null, slot: null },
    ...Array.from({ length: branches }, (_, branch) => ({ entry: branch + 1, container: 0, slot: branch })),
  ],
  policies: POLICIES,
  nodes: [
    {
      id: 0,
      name: 'p',
      scope: 0,
      next: null,
      type: 'parallel',
      as: null,
      input: null,
      output: null,
      branches: Array.from({ length: branches }, (_, branch) => branch + 1),
      reduce: 'all',
      onError: 'continue',
    },
    ...Array.from({ length: branches }, (_, branch) =>
      stepNode(branch + 1, branch + 1, branch === 0 && goesOn ? branches + 1 : null),
    ),
    stepNode(branches + 1, 1, null),
  ],
});

const started = async (plan: Plan) => {
  const store = new TwistedStore();
  const { engine, begin } = await newEngine(new Recorder(), store, { plan });
  await begin('a');
  const submit = (command: RunCommand): void => engine.submit(runIdOf('a'), command, NOBODY, null);
  const succeed = (branch: number): void =>
    submit({ type: 'CompleteAttempt', step: `p.s${branch + 1}`, attempt: 1, status: 200, output: '1' as JsonText });
  const appends = (): readonly (readonly string[])[] =>
    store.seen.slice(1).map(({ events }) => events.map(({ type }) => type));
  return { engine, store, submit, succeed, appends };
};

const ENDED = ['AttemptSucceeded', 'StepCompleted'];

describe('an answer upon which nothing follows', () => {
  it('is one append with the answer that comes right after it', async () => {
    const { succeed, appends, store } = await started(sideBySide(2, false));
    succeed(0);
    expect(appends()).toEqual([]);
    succeed(1);
    expect(appends()).toEqual([[...ENDED, ...ENDED, 'StepCompleted', 'RunCompleted']]);
    expect((await store.readStream(runStream(runIdOf('a')))).at(-1)?.type).toBe('RunCompleted');
  });

  it('is recorded soon without any other', async () => {
    const { succeed, appends } = await started(sideBySide(2, false));
    succeed(1);
    await eventually('the answer in the log', async () => (appends().length > 0 ? true : null), 500);
    expect(appends()).toEqual([ENDED]);
    succeed(0);
    expect(appends()).toHaveLength(2);
  });

  it('is recorded before whatever else is asked of the run', async () => {
    const { engine, succeed, appends } = await started(sideBySide(3, false));
    succeed(0);
    expect(await engine.cancel(runIdOf('a'), 'enough', NOBODY)).toMatchObject({ status: 'cancelled' });
    expect(appends()).toEqual([[...ENDED, 'StepCancelled', 'RunCancelled']]);
  });

  it('waits with many others, for as long as one is open', async () => {
    const { succeed, appends } = await started(sideBySide(50, false));
    for (let branch = 0; branch < 49; branch++) succeed(branch);
    expect(appends()).toEqual([]);
    succeed(49);
    expect(appends().map((types) => types.length)).toEqual([102]);
  });

  it('waits no longer once many wait', async () => {
    const { succeed, appends } = await started(sideBySide(80, false));
    for (let branch = 0; branch < 65; branch++) succeed(branch);
    expect(appends().map((types) => types.length)).toEqual([130]);
  });

  it('is recorded by a stop', async () => {
    const { engine, succeed, appends } = await started(sideBySide(2, false));
    succeed(0);
    await engine.stop();
    expect(appends()).toEqual([ENDED]);
    succeed(1);
    expect(appends()).toHaveLength(2);
  });

  it('does not wait when a step follows it', async () => {
    const { succeed, appends } = await started(sideBySide(2, true));
    succeed(0);
    expect(appends()).toEqual([[...ENDED, 'StepEntered', 'AttemptStarted']]);
  });

  it('does not wait when it is a failure', async () => {
    const { submit, appends } = await started(sideBySide(2, false));
    submit({
      type: 'FailAttempt',
      step: 'p.s1',
      attempt: 1,
      class: 'refused',
      retryable: false,
      status: 400,
      error: { name: 'No', cause: null },
      body: null,
      retryAfterMs: null,
      jitter: 0,
    });
    expect(appends().map(([first]) => first)).toEqual(['AttemptFailed']);
  });
});
