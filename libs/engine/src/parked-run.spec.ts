import { afterEach, describe, expect, it } from '@jest/globals';
import type { JsonText } from '#domain';
import { LOG_START, runStream, type Commit } from '#event-store';
import { silentLog, systemClock, type Log, type LogFields } from '#runtime';
import { parallel, planOf, step } from '../../domain/src/testing/tree-plans.js';
import type { StartReply } from './index.js';
import { NOBODY, newEngine, Recorder, runIdOf, start, stopEngines } from './testing/engine-world.js';
import { appendBroken, appendRun } from './testing/finished-runs.js';
import { TWO_STEPS, TwistedStore, typesOf } from './testing/engine-world.js';

const NOW = '2026-01-01T00:00:00.000Z';

afterEach(stopEngines);

const firstCommitOf = async (store: TwistedStore, key: string): Promise<Commit> =>
  (await store.readAll(LOG_START, { limit: 100 })).find(({ stream }) => stream === runStream(runIdOf(key)))!;

describe('a bug', () => {
  it('parks a run over a bug of a decision: it stays as it was, says so by name, and others go on', async () => {
    const store = new TwistedStore();
    const errors: LogFields[] = [];
    const log: Log = { ...silentLog, error: (_text, fields = {}) => void errors.push(fields) };
    const { engine, begin } = await newEngine(new Recorder(), store, {
      log,
      clock: { ...systemClock, now: () => NOW },
    });
    const broken = { ...TWO_STEPS, nodes: TWO_STEPS.nodes.slice(0, 1) };
    await new Promise<StartReply>((settle) => engine.start(runIdOf('a'), start('a'), broken, NOBODY, settle));
    const command = { type: 'CompleteAttempt', step: 's0', attempt: 1, status: 200, output: '1' as JsonText } as const;
    const submit = () => new Promise((done) => engine.submit(runIdOf('a'), command, NOBODY, done));
    for (let again = 0; again < 3; again++)
      expect(await submit()).toMatchObject({ status: 'unavailable', cause: { code: 'run-parked' } });
    expect(errors).toEqual([{ runId: runIdOf('a'), err: expect.any(Error) }]);
    expect(engine.counts.runsParked()).toBe(1);
    expect(engine.parked(runIdOf('a'))).toMatchObject({ since: NOW, reason: expect.stringMatching(/./) });
    expect(engine.parked(runIdOf('b'))).toBeNull();
    const { run } = (await engine.load(runIdOf('a')))!;
    expect([run.status, run.revision]).toEqual(['running', (await typesOf(store, 'a')).length - 1]);
    expect(await begin('b')).toMatchObject({ status: 'started' });
  });

  it('parks a run over a bug that shows after the commit, and the process goes on', async () => {
    const owner = new Recorder();
    const { engine, begin } = await newEngine(owner);
    const committed = owner.committed.bind(owner);
    owner.committed = (commit) => {
      if (commit.runId === runIdOf('a')) throw new Error('cannot be');
      committed(commit);
    };
    expect(await begin('a')).toMatchObject({ status: 'started' });
    expect(await engine.cancel(runIdOf('a'), null, NOBODY)).toMatchObject({ cause: { code: 'run-parked' } });
    expect(await begin('b')).toMatchObject({ status: 'started' });
    expect(engine.counts.runsParked()).toBe(1);
    await engine.stop();
  });

  it.each(['as it is read', 'as others append to it'])('parks a run over a bug of its owner, %s', async (when) => {
    const store = new TwistedStore();
    const owner = new Recorder();
    owner.observed = (news) => {
      if (news.runId === runIdOf('a')) throw new Error('cannot be');
    };
    const api = await newEngine(null, store, { sharedLog: true });
    const { engine } = await newEngine(owner, store, { sharedLog: true });
    for (const key of ['a', 'b']) await api.begin(key);
    if (when === 'as it is read') await engine.load(runIdOf('a')).catch(() => null);
    else for (const key of ['a', 'b']) engine.shared!.observe(runIdOf(key), await firstCommitOf(store, key));
    expect(engine.parked(runIdOf('a'))?.reason).toBe('cannot be');
    await new Promise((done) => engine.submit(runIdOf('b'), { type: 'WakeUp' }, owner.origin, done));
    expect((await typesOf(store, 'b')).at(-1)).toBe('AttemptStarted');
  });

  it('gives back the slots that a decision had taken before a bug stopped it', async () => {
    const owner = new Recorder();
    const plan = planOf(parallel({ name: 'p' }, step('a'), step('b'), step('c')));
    const { engine } = await newEngine(owner, new TwistedStore(), { plan });
    let granted = 0;
    const grant = owner.grant.bind(owner);
    owner.grant = () => {
      if (++granted === 3) throw new Error('cannot be');
      return grant();
    };
    await new Promise<StartReply>((settle) => engine.start(runIdOf('a'), start('a'), plan, NOBODY, settle));
    expect([granted, owner.refunds, engine.counts.runsParked()]).toEqual([3, 2, 1]);
  });
});

describe('a run whose stream holds what makes no run', () => {
  it.each([false, true])('is parked, and that is said once; shared: %s', async (sharedLog) => {
    const store = new TwistedStore();
    await store.start();
    await appendRun(store, 'a', { events: 2, ended: false });
    await appendBroken(store, 'a', 0);
    const lines: string[] = [];
    const log: Log = { ...silentLog, error: (text) => void lines.push(text) };
    const { engine } = await newEngine(new Recorder(), store, { log, sharedLog });
    for (let again = 0; again < 3; again++) {
      expect(await engine.cancel(runIdOf('a'), null, NOBODY)).toMatchObject({ cause: { code: 'run-parked' } });
      await expect(engine.load(runIdOf('a'))).rejects.toMatchObject({ code: 'run-parked' });
    }
    expect(lines).toEqual([expect.stringContaining('a run is parked')]);
    expect(engine.parked(runIdOf('a'))?.reason).toContain('revision 1, StepEntered');
    // Its shard is lost, and comes back.
    engine.shared?.releaseRuns(() => true);
    expect(engine.parked(runIdOf('a')) === null).toBe(sharedLog);
  });
});
