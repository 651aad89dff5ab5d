import { describe, expect, it } from '@jest/globals';
import { systemClock } from '#runtime';
import { ProcessReport, READY } from './process-report.js';

describe('ProcessReport.readiness', () => {
  it('is told within half a second, whatever a part does, which is asked once for all probes meanwhile', async () => {
    const report = new ProcessReport(systemClock);
    let asked = 0;
    let answer = (_part: typeof READY): void => undefined;
    const silent = (): Promise<typeof READY> => {
      asked++;
      return new Promise((resolve) => (answer = resolve));
    };
    report.add({ readiness: { log: silent, views: () => READY } });
    const sinceMs = performance.now();
    const [first] = await Promise.all([report.readiness(), report.readiness()]);
    expect(performance.now() - sinceMs).toBeLessThan(1_000);
    expect(first).toEqual({
      status: 'not-ready',
      parts: {
        process: READY,
        views: READY,
        log: { status: 'not-ready', detail: 'It has not answered within 500 ms.' },
      },
    });
    expect((await report.readiness()).status).toBe('not-ready');
    expect(asked).toBe(1);
    answer(READY);
    await Promise.resolve();
    const later = report.readiness();
    answer(READY);
    expect((await later).status).toBe('ready');
  });

  it('is no for a part whose check fails, with what it failed by', async () => {
    const report = new ProcessReport(systemClock);
    report.add({
      readiness: {
        log: () => {
          throw new Error('no route to host');
        },
      },
    });
    expect((await report.readiness()).parts['log']).toEqual({ status: 'not-ready', detail: 'no route to host' });
  });
});
