import { expect, it } from '@jest/globals';
import { ALL_SHARDS } from '#event-store';
import { planOf, sequence, step } from '../../../domain/src/testing/tree-plans.js';
import { SplitWorld } from '../testing/split-world.js';

it('a dispatcher hears of starts at once, and together while its appends take long', async () => {
  const world = new SplitWorld(planOf(sequence(step('one'))));
  try {
    const { client, engine } = await world.dispatcher('d', ALL_SHARDS);
    expect(client.gatherMs()).toBe(0);
    for (let append = 0; append < 100; append++) engine.counts.appended('appended', 1_000);
    expect(client.gatherMs()).toBeGreaterThan(0);
  } finally {
    await world.stop();
  }
});
