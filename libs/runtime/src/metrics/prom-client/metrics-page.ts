import type { Metric as PromMetric, Registry } from 'prom-client';
import { Histogram } from '../histogram.js';
import type { MetricSources, Sample } from '../metric-sources.js';
import { METRICS, type MetricName } from '../metric-table.js';

/** The page of `/metrics`: the metrics of ours that have a source, then those of the process. */
export class MetricsPage {
  readonly contentType = 'text/plain; version=0.0.4; charset=utf-8';
  #registry: Promise<Registry> | null = null;

  constructor(private readonly sources: MetricSources) {}

  async text(): Promise<string> {
    this.#registry ??= this.#open();
    return (await this.#registry).metrics();
  }

  /** At the first look: loading takes 20 ms that no start should pay, and nobody may ever look. */
  async #open(): Promise<Registry> {
    const { Registry, collectDefaultMetrics } = (await import('prom-client')).default;
    const registry = new Registry();
    // The keys of a literal are its names: `Object.keys` only forgets it.
    for (const name of Object.keys(METRICS) as MetricName[]) {
      const read = this.sources[name];
      // A registry asks no more of a metric than `get`; the classes that its types name would each want to count.
      if (read !== undefined) registry.registerMetric(metricOf(name, read) as unknown as PromMetric);
    }
    collectDefaultMetrics({ register: registry });
    return registry;
  }
}

type Value = {
  readonly metricName?: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly value: number;
};
type Read = () => Reading | Promise<Reading>;
type Reading = number | Histogram | readonly Sample<string>[];

const metricOf = (name: MetricName, read: Read) => {
  const { type, help } = METRICS[name];
  return { name, get: async () => ({ name, type, help, values: valuesOf(name, await read()) }) };
};

const valuesOf = (name: string, reading: Reading): readonly Value[] => {
  if (typeof reading === 'number') return [{ labels: {}, value: reading }];
  return reading instanceof Histogram ? bucketsOf(name, reading) : reading;
};

const bucketsOf = (name: string, { bounds, counts, sum }: Histogram): readonly Value[] => {
  let count = 0;
  const buckets = counts.map((of, index): Value => {
    count += of;
    return {
      metricName: `${name}_bucket`,
      labels: { le: index < bounds.length ? String(bounds[index]) : '+Inf' },
      value: count,
    };
  });
  return [
    ...buckets,
    { metricName: `${name}_sum`, labels: {}, value: sum },
    { metricName: `${name}_count`, labels: {}, value: count },
  ];
};
