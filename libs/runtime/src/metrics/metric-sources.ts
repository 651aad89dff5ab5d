import type { Histogram } from './histogram.js';
import type { METRICS, MetricName } from './metric-table.js';

/** One value, with a value for each label of the metric. */
export type Sample<Labels extends string> = {
  readonly labels: Readonly<Record<Labels, string>>;
  readonly value: number;
};

type LabelsOf<Name extends MetricName> = keyof (typeof METRICS)[Name]['labels'] & string;

type Reading<Name extends MetricName> = (typeof METRICS)[Name]['type'] extends 'histogram'
  ? Histogram
  : [LabelsOf<Name>] extends [never]
    ? number
    : readonly Sample<LabelsOf<Name>>[];

/**
 * Where each metric of a process comes from, asked when somebody looks. What a process has no part for has no source and
 * is not shown. Parts count in plain fields: an event costs an increment, whether anybody looks or not.
 */
export type MetricSources = {
  readonly [Name in MetricName]?: () => Reading<Name> | Promise<Reading<Name>>;
};
