import { afterEach, describe, expect, it } from '@jest/globals';
import { ALL_SHARDS } from '#event-store';
import { AttemptCounts, TARGETS_COUNTED_MAX } from './attempt-counts.js';
import { dispatcherMetrics } from './dispatcher-metrics.js';
import { Application, DispatchWorld, json, stepPlan } from './testing/dispatch-world.js';

describe('the counts of attempts', () => {
  it('know so many targets, and count all others together', () => {
    const counts = new AttemptCounts();
    for (let index = 0; index < TARGETS_COUNTED_MAX + 5; index++) counts.count(`http://${index}`, 'refused');
    counts.count('http://0', 'refused');
    const entries = counts.entries();
    expect(entries).toHaveLength(TARGETS_COUNTED_MAX + 1);
    expect(entries[0]).toEqual({ labels: { class: 'refused', target: 'http://0' }, value: 2 });
    expect(entries.at(-1)).toEqual({ labels: { class: 'refused', target: 'other' }, value: 5 });
  });
});

describe("a dispatcher's metrics", () => {
  const opened: { stop(): Promise<void> }[] = [];
  afterEach(async () => {
    for (const each of opened.splice(0).reverse()) await each.stop();
  });

  it('count each attempt once by class and origin, those that a stop interrupts too', async () => {
    let calls = 0;
    let arrived: () => void = () => undefined;
    const application = new Application().on('/flaky', (_request, response) => {
      calls += 1;
      if (calls === 1) json(response, 503, {});
      else if (calls === 2) json(response, 429, {});
      else if (calls === 3) json(response, 200, {});
      else arrived();
    });
    opened.push(application);
    const target = await application.start();
    const world = new DispatchWorld(stepPlan(`${target}/flaky`), { options: { graceMs: 0 } });
    opened.push(world);
    await world.start();
    const metrics = dispatcherMetrics(world.dispatcher, world.openRuns, world.ownership);
    await world.run('a');
    const heard = new Promise<void>((resolve) => (arrived = resolve));
    await world.startRun('b');
    await heard;
    expect(await metrics.stepwell_attempts_in_flight?.()).toBe(1);
    await world.dispatcher.stop();
    expect(await metrics.stepwell_attempts_in_flight?.()).toBe(0);
    expect(await metrics.stepwell_attempts_total?.()).toEqual([
      { labels: { class: 'succeeded', target }, value: 1 },
      { labels: { class: 'refused', target }, value: 1 },
      { labels: { class: 'may-have-executed', target }, value: 2 },
    ]);
    // It owns nothing any more, and the run is still open.
    expect(await metrics.stepwell_runs_open?.()).toBe(0);
    expect(await world.openRuns.count(ALL_SHARDS)).toBe(1);
  });
});
