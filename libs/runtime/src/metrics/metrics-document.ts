import { markdownTable } from '../markdown-table.js';
import { METRICS, type Metric } from './metric-table.js';

const HEAD = `# Metrics

Every app serves \`/metrics\` on its port, in the text format of Prometheus. Below are the metrics of Stepwell.
Beside them are those of the process, as \`prom-client\` names them (\`process_*\`, \`nodejs_*\`). Among these are the delay of
the event loop (\`nodejs_eventloop_lag_p99_seconds\`) and the start of the process (\`process_start_time_seconds\`). They begin
with the first look at the page. A process shows what it has a part for: a dispatcher no views, a projector no attempts.

Counters are of one process since its start: sum their rates over processes. Labels are bounded, as the last column says.
What to alert on is in \`prometheus-rules.yaml\`.

This page is written from \`libs/runtime/src/metrics/metric-table.ts\` by \`npm run metrics:write\`.
`;

/** The whole text of `docs/metrics.md`. */
export const metricsDocument = (): string => {
  const all: readonly (readonly [string, Metric])[] = Object.entries(METRICS);
  const rows = all.map(([name, { type, help, labels }]) => {
    const words = Object.entries(labels).map(([label, values]) => `\`${label}\`: ${values}`);
    return [`\`${name}\``, type, help, words.join('; ')];
  });
  return `${HEAD}\n${markdownTable([['name', 'type', 'what it tells', 'labels'], ...rows])}\n`;
};
