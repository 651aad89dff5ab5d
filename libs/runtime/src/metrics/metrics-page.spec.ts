import { readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { describe, expect, it } from '@jest/globals';
import { Histogram } from './histogram.js';
import { METRICS } from './metric-table.js';
import { metricsDocument } from './metrics-document.js';
import { MetricsPage } from './prom-client/metrics-page.js';

const linesOf = async (page: MetricsPage, name: string): Promise<readonly string[]> =>
  (await page.text()).split('\n').filter((line) => line.includes(name) && !line.startsWith('# HELP'));

describe('the page of metrics', () => {
  it('reads every value anew at each look', async () => {
    let started = 0;
    const page = new MetricsPage({ stepwell_runs_started_total: () => started });
    started = 3;
    expect(await linesOf(page, 'stepwell_runs_started_total')).toEqual([
      '# TYPE stepwell_runs_started_total counter',
      'stepwell_runs_started_total 3',
    ]);
    started = 4;
    expect(await linesOf(page, 'stepwell_runs_started_total')).toContain('stepwell_runs_started_total 4');
  });

  it('shows labels, with what is in them escaped', async () => {
    const samples = [
      { labels: { class: 'refused', target: 'http://a' }, value: 1 },
      { labels: { class: 'succeeded', target: 'http://"b"\n' }, value: 2 },
    ];
    const page = new MetricsPage({ stepwell_attempts_total: () => samples });
    expect(await linesOf(page, 'stepwell_attempts_total')).toEqual([
      '# TYPE stepwell_attempts_total counter',
      'stepwell_attempts_total{class="refused",target="http://a"} 1',
      'stepwell_attempts_total{class="succeeded",target="http://\\"b\\"\\n"} 2',
    ]);
  });

  it('shows a histogram in buckets that hold what is below them too', async () => {
    const histogram = new Histogram([0.01, 0.1]);
    for (const seconds of [0.01, 0.05, 0.0625, 7]) histogram.observe(seconds);
    const page = new MetricsPage({ stepwell_append_seconds: () => histogram });
    expect(await linesOf(page, 'stepwell_append_seconds')).toEqual([
      '# TYPE stepwell_append_seconds histogram',
      'stepwell_append_seconds_bucket{le="0.01"} 1',
      'stepwell_append_seconds_bucket{le="0.1"} 3',
      'stepwell_append_seconds_bucket{le="+Inf"} 4',
      'stepwell_append_seconds_sum 7.1225',
      'stepwell_append_seconds_count 4',
    ]);
  });

  it('tells of the process and of the delay of its event loop, and of no part that is not there', async () => {
    const text = await new MetricsPage({ stepwell_shards_owned: () => Promise.resolve(64) }).text();
    expect(text).toMatch(/^process_start_time_seconds \d+/m);
    expect(text).toMatch(/^# TYPE nodejs_eventloop_lag_p99_seconds gauge/m);
    expect([...text.matchAll(/^# TYPE (stepwell_\w+)/gm)].map(([, name]) => name)).toEqual(['stepwell_shards_owned']);
  });
});

describe('docs/metrics.md', () => {
  const page = readFileSync(resolve(import.meta.dirname, '../../../../../docs/metrics.md'), 'utf8');

  it('tells of exactly the metrics that there are', () => {
    const listed = [...page.matchAll(/^\| `(stepwell_\w+)`/gm)].map(([, name]) => name!);
    expect(listed).toEqual(Object.keys(METRICS));
  });

  it('says of each what the table says (if not: npm run metrics:write)', () => {
    expect(page).toBe(metricsDocument());
  });
});
