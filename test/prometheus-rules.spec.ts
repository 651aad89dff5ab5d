import { readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { Ajv } from 'ajv';
import { describe, expect, it } from '@jest/globals';
import { parse } from 'yaml';
import { METRICS, MetricsPage, type Metric } from '#runtime';

const FILE = resolve(import.meta.dirname, '../../docs/prometheus-rules.yaml');

type Rule = { readonly alert: string; readonly expr: string };
type Rules = { readonly groups: readonly { readonly rules: readonly Rule[] }[] };

/** What Prometheus takes as a file of rules, narrowed to alerts that say how bad it is and what to do. */
const DURATION = { type: 'string', pattern: '^([0-9]+(ms|s|m|h|d))+$' };
const TEXT = { type: 'string', minLength: 10 };
const SCHEMA = {
  type: 'object',
  additionalProperties: false,
  required: ['groups'],
  properties: {
    groups: {
      type: 'array',
      items: {
        type: 'object',
        additionalProperties: false,
        required: ['name', 'rules'],
        properties: {
          name: { type: 'string' },
          interval: DURATION,
          rules: {
            type: 'array',
            minItems: 1,
            items: {
              type: 'object',
              additionalProperties: false,
              required: ['alert', 'expr', 'labels', 'annotations'],
              properties: {
                alert: { type: 'string', pattern: '^Stepwell[A-Z][A-Za-z]+$' },
                expr: { type: 'string', minLength: 1 },
                for: DURATION,
                labels: {
                  type: 'object',
                  additionalProperties: false,
                  required: ['severity'],
                  properties: { severity: { enum: ['warning', 'critical'] } },
                },
                annotations: {
                  type: 'object',
                  additionalProperties: false,
                  required: ['summary', 'description'],
                  properties: { summary: TEXT, description: TEXT },
                },
              },
            },
          },
        },
      },
    },
  },
};

/** Of Prometheus itself and of node_exporter. */
const OF_OTHERS = ['up', 'node_filesystem_avail_bytes', 'node_filesystem_size_bytes'];
const LABELS_OF_OTHERS = ['job', 'instance', 'mountpoint', 'le'];
const WORDS = ['by', 'or', 'and', 'sum', 'max', 'min'];

/** The metrics and labels that an expression names; `problem` when its brackets do not match. */
const namesIn = (expr: string) => {
  const bare = expr.replace(/"[^"]*"/g, '""');
  const labels = [
    ...[...bare.matchAll(/([A-Za-z_]\w*)\s*(?:=~|!~|!=|=(?!=))/g)].map(([, name]) => name!),
    ...[...bare.matchAll(/\bby\s*\(([^)]*)\)/g)].flatMap(([, list]) => list!.split(',').map((each) => each.trim())),
  ];
  const rest = bare
    .replace(/\bby\s*\([^)]*\)/g, '')
    .replace(/\{[^}]*\}/g, '')
    .replace(/\[\d+[smhd]\]/g, '');
  const metrics = [...rest.matchAll(/\b[A-Za-z_:][\w:]*\b(?!\s*\()/g)]
    .map(([name]) => name)
    .filter((name) => !WORDS.includes(name));
  return { labels, metrics, balanced: isBalanced(bare) };
};

const isBalanced = (text: string): boolean => {
  const open: string[] = [];
  for (const char of text) {
    if ('([{'.includes(char)) open.push(char);
    else if (')]}'.includes(char) && open.pop() !== '([{'[')]}'.indexOf(char)]) return false;
  }
  return open.length === 0;
};

/** Every name that a process shows, ours whether it has a source here or not. */
const knownMetrics = async (): Promise<ReadonlySet<string>> => {
  const all: readonly (readonly [string, Metric])[] = Object.entries(METRICS);
  const ours = all.flatMap(([name, { type }]) =>
    type === 'histogram' ? [`${name}_bucket`, `${name}_sum`, `${name}_count`] : [name],
  );
  const ofProcess = [...(await new MetricsPage({}).text()).matchAll(/^# TYPE (\S+)/gm)].map(([, name]) => name!);
  return new Set([...ours, ...ofProcess, ...OF_OTHERS]);
};

const KNOWN_LABELS = [...Object.values(METRICS).flatMap(({ labels }) => Object.keys(labels)), ...LABELS_OF_OTHERS];

describe('docs/prometheus-rules.yaml', () => {
  const rules = parse(readFileSync(FILE, 'utf8')) as Rules;
  const alerts = rules.groups.flatMap((group) => group.rules);

  it('is a file of alerts', () => {
    const validate = new Ajv().compile(SCHEMA);
    expect([validate(rules), validate.errors]).toEqual([true, null]);
    expect(new Set(alerts.map(({ alert }) => alert)).size).toBe(alerts.length);
  });

  it('names only metrics and labels that there are', async () => {
    const known = await knownMetrics();
    for (const { alert, expr } of alerts) {
      const { metrics, labels, balanced } = namesIn(expr);
      const unknown = [
        ...metrics.filter((name) => !known.has(name)),
        ...labels.filter((name) => !KNOWN_LABELS.includes(name)),
      ];
      expect([alert, balanced, unknown, metrics.length > 0]).toEqual([alert, true, [], true]);
    }
  });

  it('watches everything that stands still or falls behind', () => {
    const watched = new Set(alerts.flatMap(({ expr }) => namesIn(expr).metrics));
    for (const name of [
      'stepwell_view_lag_seconds',
      'stepwell_view_parked_streams',
      'stepwell_obligations_overdue_total',
      'stepwell_append_conflicts_total',
      'stepwell_attempts_total',
      'stepwell_shards_owned',
      'stepwell_projector_leads',
      'stepwell_relay_lag_seconds',
      'stepwell_relay_leads',
      'stepwell_trigger_lag_seconds',
      'stepwell_trigger_dead_letters_total',
      'stepwell_breakers',
      'nodejs_eventloop_lag_p99_seconds',
      'process_start_time_seconds',
      'node_filesystem_avail_bytes',
    ])
      expect([name, watched.has(name)]).toEqual([name, true]);
  });

  it('is not woken by a projector or relay that stands by, which has caught up with nothing', () => {
    for (const { expr } of alerts) expect(expr).not.toMatch(/min\(stepwell_\w+_(caught_up|leads)/);
  });

  it('would be found to name what there is not', () => {
    expect(namesIn('sum by (tarmac) (rate(stepwell_atempts_total{klass="x"}[5m])) > 0.5')).toEqual({
      labels: ['klass', 'tarmac'],
      metrics: ['stepwell_atempts_total'],
      balanced: true,
    });
    expect(namesIn('sum(rate(up[5m])').balanced).toBe(false);
  });
});
