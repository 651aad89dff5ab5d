import { afterEach, describe, expect, it } from '@jest/globals';
import { toMs } from '#domain';
import type { Owner } from './owner.js';
import { failure, newEngine, NOBODY, Recorder, runIdOf, stopEngines } from './testing/engine-world.js';
import { waitsOf, type HoldUp, type Wait } from './waits.js';

afterEach(stopEngines);

/** Says of every step the same, or nothing. */
class Holder extends Recorder {
  constructor(private readonly hold: HoldUp | null = null) {
    super();
  }
  override holdUpOf(): HoldUp | null {
    return this.hold;
  }
}

const HELD = { since: '2026-12-01T10:00:00.000Z', until: '2026-12-01T10:01:00.000Z' } as const;
const ENDPOINT_IS_DOWN = { name: 'HTTP.502', cause: 'another run was told so' };
const OWN_ERROR = { name: 'HTTP.503', cause: null };

/** A run whose first step has failed once. */
const failedOnce = async () => {
  const owner = new Holder();
  const { engine, begin } = await newEngine(owner);
  const runId = runIdOf('a');
  await begin('a');
  await new Promise((settle) => engine.submit(runId, failure('s0', 1), NOBODY, settle as () => void));
  const { run } = (await engine.load(runId))!;
  const attempt = run.steps.get('s0')!.attempts.at(-1)!;
  const at = (nowMs: number, by: Owner | null): readonly Wait[] => waitsOf(runId, run, by, nowMs);
  return { at, endedAt: attempt.endedAt!, dueAt: attempt.retryAt!, dueMs: toMs(attempt.retryAt!) };
};

describe('what a run waits for', () => {
  it('is its retry until that is due, since the attempt that failed', async () => {
    const { at, endedAt, dueAt, dueMs } = await failedOnce();
    expect(at(dueMs - 1, null)).toEqual([
      { step: 's0', for: 'retry', on: null, since: endedAt, until: dueAt, lastError: OWN_ERROR },
    ]);
  });

  it.each([
    ['it has no owner here', null],
    ['its owner holds nothing up', new Holder()],
  ])('is a slot once the retry is due, since then and not since the failure, where %s', async (_where, owner) => {
    const { at, endedAt, dueAt, dueMs } = await failedOnce();
    expect(dueAt).not.toBe(endedAt);
    for (const nowMs of [dueMs, dueMs + 60_000])
      expect(at(nowMs, owner)).toEqual([
        { step: 's0', for: 'slots', on: null, since: dueAt, until: null, lastError: OWN_ERROR },
      ]);
  });

  it('is a breaker with why that is open, and not with what the step was told', async () => {
    const { at, dueMs } = await failedOnce();
    const hold: HoldUp = { for: 'breaker', on: 'http://app/x', ...HELD, lastError: ENDPOINT_IS_DOWN };
    expect(at(dueMs, new Holder(hold))).toEqual([{ step: 's0', ...hold }]);
  });

  it('is a limit with the last error of the step, which a limit has none of', async () => {
    const { at, dueMs } = await failedOnce();
    const hold: HoldUp = { for: 'limit', on: 'queue bulk', since: HELD.since, until: null, lastError: null };
    expect(at(dueMs, new Holder(hold))).toEqual([{ step: 's0', ...hold, lastError: OWN_ERROR }]);
  });

  it('is a slot for a step that was never tried, since it was entered', async () => {
    const owner = new Holder();
    owner.grant = () => null as never;
    const { engine, begin } = await newEngine(owner);
    await begin('b');
    const { run } = (await engine.load(runIdOf('b')))!;
    const since = run.steps.get('s0')!.enteredAt;
    expect(waitsOf(runIdOf('b'), run, null, toMs(since) + 60_000)).toEqual([
      { step: 's0', for: 'slots', on: null, since, until: null, lastError: null },
    ]);
  });
});
