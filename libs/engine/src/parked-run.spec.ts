import { afterEach, describe, expect, it } from '@jest/globals';
import type { JsonText } from '#domain';
import { silentLog, systemClock, type Log, type LogFields } from '#runtime';
import type { StartReply } from './index.js';
import { NOBODY, newEngine, Recorder, runIdOf, start, stopEngines } from './testing/engine-world.js';
import { TWO_STEPS, TwistedStore, typesOf } from './testing/engine-world.js';

const NOW = '2026-01-01T00:00:00.000Z';

afterEach(stopEngines);

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
});
