import { afterEach, describe, expect, it } from '@jest/globals';
import type { AppendOutcome } from '#event-store';
import type { MetricSources } from '#runtime';
import { EngineCounts, engineMetrics } from './engine-counts.js';
import { newEngine, NOBODY, Recorder, runIdOf, stopEngines, TwistedStore, typesOf } from './testing/engine-world.js';

afterEach(stopEngines);

type Labelled = readonly { readonly labels: Readonly<Record<string, string>>; readonly value: number }[];

/** Every value but those of histograms, as `name{value of its label}`. */
const read = async (sources: MetricSources): Promise<Readonly<Record<string, number>>> => {
  const values: Record<string, number> = {};
  for (const [name, source] of Object.entries(sources)) {
    const reading = (await source()) as number | Labelled | object; // what a source gives depends on its name
    if (typeof reading === 'number') values[name] = reading;
    else if (Array.isArray(reading))
      for (const { labels, value } of reading as Labelled)
        if (value > 0) values[`${name}{${Object.values(labels).join()}}`] = value;
  }
  return values;
};

describe("an engine's counts", () => {
  it('count a run once at its start and once at its end, however often it is asked for and appended to', async () => {
    const { engine, store, begin } = await newEngine(new Recorder());
    await begin('a');
    await begin('a');
    await engine.cancel(runIdOf('a'), null, NOBODY);
    await begin('a');
    await engine.cancel(runIdOf('a'), null, NOBODY);
    await engine.stop();
    expect(await typesOf(store, 'a')).toContain('DuplicateStartsSeen');
    expect(await read(engineMetrics(engine.counts))).toMatchObject({
      stepwell_runs_started_total: 1,
      'stepwell_runs_ended_total{cancelled}': 1,
      stepwell_attempts_unknown_total: 0,
    });
  });

  it('count each end by its own event, also of a run that was opened again', () => {
    const counts = new EngineCounts();
    const committed = (...types: string[]): void =>
      counts.committed(
        types.map((type) => ({ type, v: 1, data: '{}' })),
        false,
      );
    committed('StepFailed', 'RunFailed', 'RunRetried');
    committed('StepCompleted', 'RunCompleted', 'DuplicateStartsSeen');
    committed('RunArchived');
    expect(counts.ended).toEqual({ completed: 1, failed: 1, cancelled: 0, 'timed-out': 0 });
  });

  it('count each append by its outcome and how long it took', async () => {
    const store = new TwistedStore();
    let held: (() => void) | null = null;
    store.twist = (_append, settle: (outcome: AppendOutcome) => void) => {
      store.twist = null;
      held = () => settle({ status: 'unknown', cause: new Error('no answer') });
      return true;
    };
    const { engine, begin } = await newEngine(null, store);
    const begun = begin('a');
    const second = await newEngine(null, store);
    await second.begin('a');
    (held as (() => void) | null)?.();
    // Repeated, it finds the stream made by the other.
    expect(await begun).toMatchObject({ status: 'replayed' });
    await engine.stop();
    const values = await read(engineMetrics(engine.counts));
    expect(values).toMatchObject({
      stepwell_runs_started_total: 0,
      'stepwell_appends_total{unknown}': 1,
      'stepwell_appends_total{conflict}': 1,
      stepwell_append_conflicts_total: 1,
    });
    const { counts, sum } = engine.counts.appendSeconds;
    const appends = Object.entries(values).filter(([name]) => name.startsWith('stepwell_appends_total{'));
    expect(counts.reduce((all, each) => all + each)).toBe(appends.reduce((all, [, value]) => all + value, 0));
    expect(sum).toBeGreaterThan(0);
  });

  it('count what another boot left in flight as unknown', async () => {
    const store = new TwistedStore();
    const { begin } = await newEngine(new Recorder('b1'), store);
    await begin('a');
    const { engine } = await newEngine(new Recorder('b2'), store);
    await engine.load(runIdOf('a'));
    expect(engine.counts.unknown).toBe(1);
  });

  it('let news gather while appends take long, and no longer than they do so', () => {
    const counts = new EngineCounts();
    const after = (appends: number, tookMs: number): number => {
      for (let append = 0; append < appends; append++) counts.appended('appended', tookMs);
      return Math.round(counts.gatherMs);
    };
    expect(counts.gatherMs).toBe(0);
    expect(after(300, 5)).toBe(0);
    // One that waited for the disk is none of a load.
    expect(after(1, 1_000)).toBe(0);
    expect(after(300, 60)).toBe(60);
    expect(after(300, 5_000)).toBe(80);
    // Of a load too some are quick.
    expect(after(1, 5)).toBe(80);
    expect(after(20, 5)).toBe(0);
  });
});
