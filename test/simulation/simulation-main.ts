import { parseArgs } from 'node:util';
import { commandLine } from '#runtime';
import { wholeNumber } from '../support/whole-number.js';
import { simulate } from './simulation.js';

const USAGE = `usage: npm run test:simulation -- [options]
  --seeds <n>  how many worlds are simulated (20)
  --seed <n>   the first seed (1)
  --trace      prints what happened in each`;
const TRACE_SHOWN = 40;

const { seeds, seed, trace } = commandLine(USAGE, (args) => {
  const { values } = parseArgs({
    args,
    options: {
      seeds: { type: 'string', default: '20' },
      seed: { type: 'string', default: '1' },
      trace: { type: 'boolean', default: false },
    },
  });
  return { seeds: wholeNumber('seeds', values.seeds, 1), seed: wholeNumber('seed', values.seed), trace: values.trace };
});

const say = (line: string): void => void process.stdout.write(`${line}\n`);

let failed = 0;
for (let each = seed; each < seed + seeds; each++) {
  const result = await simulate(each);
  const { runs, requests, simulatedMs, violations } = result;
  say(`seed ${each}: ${runs} runs, ${requests} requests, ${Math.round(simulatedMs / 1_000)} s simulated`);
  if (trace || violations.length > 0) for (const line of result.trace.slice(trace ? 0 : -TRACE_SHOWN)) say(`  ${line}`);
  if (violations.length === 0) continue;
  failed += 1;
  for (const violation of violations) say(`  BROKEN: ${violation}`);
  say(`  repeat with: npm run test:simulation -- --seeds 1 --seed ${each}`);
}
say(`${seeds - failed} passed, ${failed} failed`);
process.exitCode = failed === 0 ? 0 : 1;
