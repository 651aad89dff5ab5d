import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { evolve } from './evolve.js';
import { hasStepEnded } from './forgetting.js';
import { isStepEnded, type PayloadSource } from './run.js';
import type { RunState } from './run-state.js';
import { historyOf } from './testing/given-when-then.js';
import { plans } from './testing/plan-arbitrary.js';
import { play } from './testing/play.js';
import { happeningsArbitrary, SimulatedWorld } from './testing/simulated-world.js';

/** What a run may keep: the steps that tokens are at, with the containers around them, and what these refer to. */
const needed = (run: RunState) => {
  const steps = new Set<string>();
  for (const key of run.tokens.values()) {
    for (let at = key; at !== null; at = run.steps.get(at)?.parent ?? null) steps.add(at);
  }
  for (const scope of run.tokens.keys()) {
    const at = scope.lastIndexOf('#');
    if (at !== -1) steps.add(scope.slice(0, at));
  }
  const uses = new Map<number, number>();
  const use = (source: PayloadSource | null): void => {
    if (source !== null && source.revision !== 0) uses.set(source.revision, (uses.get(source.revision) ?? 0) + 1);
  };
  use(run.outputRef);
  for (const names of run.names.values()) for (const source of names.values()) use(source);
  for (const { inputRef, outputRef, items, slots } of run.steps.values())
    for (const source of [inputRef, outputRef, items, ...(slots?.outputs ?? [])]) use(source);
  return { steps, uses };
};

const expectNoMore = (run: RunState): void => {
  const { steps, uses } = needed(run);
  expect(new Set(run.steps.keys())).toEqual(steps);
  expect(new Map(Array.from(run.uses))).toEqual(uses);
  expect(new Set(run.payloads.keys())).toEqual(new Set([0, ...uses.keys()]));
  let chars = 0;
  for (const stored of run.payloads.values()) for (const { text } of stored) chars += text.length;
  expect(run.payloadChars).toBe(chars);
  for (const place of run.entries.keys()) expect([place, place === '' || steps.has(place)]).toEqual([place, true]);
};

describe('a run that is decided on', () => {
  it('keeps where its tokens are, and what that refers to, at each event of any accepted history', () => {
    let forgotten = 0;
    const holds = fc.property(plans, happeningsArbitrary(), (plan, happenings) => {
      const world = new SimulatedWorld(plan);
      world.start();
      for (const happening of happenings) world.happen(happening);
      world.finish();
      let run: RunState | null = null;
      for (const { event, at } of world.history) {
        run = evolve(run, event, at);
        expectNoMore(run!);
      }
      const { steps } = historyOf(world.history.map(({ event }) => event));
      for (const { key, status } of steps.values())
        expect([key, hasStepEnded(run!, key)]).toEqual([key, isStepEnded({ status })]);
      forgotten += steps.size - run!.steps.size;
    });
    fc.assert(holds, { numRuns: 300 });
    expect(forgotten).toBeGreaterThan(1_000);
  }, 60_000);

  it('keeps no more of three thousand items than of twenty', () => {
    const kept = (count: number) => {
      const each = {
        type: 'sequence',
        steps: [
          { type: 'step', url: '/a' },
          { type: 'step', url: '/b', output: '{% $item %}' },
        ],
      };
      let most = { steps: 0, payloads: 0, entries: 0 };
      const input = Array.from({ length: count }, (_, at) => at);
      play(
        { root: { type: 'map', concurrency: 10, reduce: 'none', each } },
        {
          input,
          seen: ({ steps, payloads, entries }) => {
            most = {
              steps: Math.max(most.steps, steps.size),
              payloads: Math.max(most.payloads, payloads.size),
              entries: Math.max(most.entries, entries.size),
            };
          },
        },
      );
      return most;
    };
    const { payloads, ...few } = kept(20);
    const { payloads: more, ...many } = kept(3_000);
    expect(many).toEqual(few);
    // What flowed out of each item, until the map has ended.
    expect([payloads < 60, more < 3_060]).toEqual([true, true]);
  }, 60_000);
});
