import { describe, expect, it } from '@jest/globals';
import type { RunId } from '#engine';
import { runIdOf } from './testing/dispatch-world.js';
import { WakeQueue } from './wake-queue.js';

const ids = (count: number): RunId[] => Array.from({ length: count }, (_, index) => runIdOf(`k${index}`));

const queueWith = () => {
  const underWay: { runId: RunId; anew: boolean; done: () => void }[] = [];
  const queue = new WakeQueue((runId, anew, done) => underWay.push({ runId, anew, done }));
  return { queue, underWay };
};

describe('WakeQueue', () => {
  it('wakes 64 at once however many fall due, in their order, each once', () => {
    const { queue, underWay } = queueWith();
    const all = ids(200);
    let done = 0;
    for (const runId of all) queue.push(runId, false, () => (done += 1));
    expect(underWay.map(({ runId }) => runId)).toEqual(all.slice(0, 64));
    for (let index = 0; index < 200; index++) underWay[index]!.done();
    expect(underWay.map(({ runId }) => runId)).toEqual(all);
    expect(done).toBe(200);
  });

  it('wakes a run that waits already once, with the more careful look, and tells both', () => {
    const { queue, underWay } = queueWith();
    for (const runId of ids(64)) queue.push(runId, false);
    const told: string[] = [];
    queue.push(runIdOf('late'), true, () => told.push('first'));
    queue.push(runIdOf('late'), false, () => told.push('second'));
    underWay[0]!.done();
    expect(underWay).toHaveLength(65);
    expect(underWay[64]).toMatchObject({ runId: runIdOf('late'), anew: true });
    underWay[64]!.done();
    expect(told).toEqual(['first', 'second']);
  });

  it('takes back what waits, as if it were done', () => {
    const { queue, underWay } = queueWith();
    for (const runId of ids(64)) queue.push(runId, false);
    let told = 0;
    queue.push(runIdOf('gone'), false, () => (told += 1));
    queue.push(runIdOf('stays'), false);
    queue.drop((runId) => runId === runIdOf('gone'));
    expect(told).toBe(1);
    underWay[0]!.done();
    expect(underWay[64]?.runId).toBe(runIdOf('stays'));
  });
});
