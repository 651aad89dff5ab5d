import { parseArgs } from 'node:util';
import { commandLine, systemClock } from '#runtime';
import { wholeNumber } from '../support/whole-number.js';
import { simulate, type Simulated } from './simulation.js';

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

/** A world takes some seconds; one that has not ended by then never will. */
const HUNG_AFTER_MS = 60_000;

/** A world that hangs or throws is broken too, and is told of by its seed. */
const simulated = async (of: number): Promise<Simulated> => {
  let takeBack = (): void => undefined;
  const hung = new Promise<never>((_, reject) => {
    takeBack = systemClock.after(HUNG_AFTER_MS, () =>
      reject(new Error(`it has not ended in ${HUNG_AFTER_MS / 1_000} s`)),
    );
  });
  try {
    return await Promise.race([simulate(of), hung]);
  } catch (fault) {
    const violation = fault instanceof Error ? (fault.stack ?? fault.message) : String(fault);
    return { violations: [violation], trace: [], runs: 0, requests: 0, simulatedMs: 0 };
  } finally {
    takeBack();
  }
};

const say = (line: string): void => void process.stdout.write(`${line}\n`);

let failed = 0;
for (let each = seed; each < seed + seeds; each++) {
  const result = await simulated(each);
  const { runs, requests, simulatedMs, violations } = result;
  say(`seed ${each}: ${runs} runs, ${requests} requests, ${Math.round(simulatedMs / 1_000)} s simulated`);
  if (trace || violations.length > 0) for (const line of result.trace.slice(trace ? 0 : -TRACE_SHOWN)) say(`  ${line}`);
  if (violations.length === 0) continue;
  failed += 1;
  for (const violation of violations) say(`  BROKEN: ${violation}`);
  say(`  repeat with: npm run test:simulation -- --seeds 1 --seed ${each}`);
}
say(`${seeds - failed} passed, ${failed} failed`);
// What hangs would keep the process.
process.exit(failed === 0 ? 0 : 1);
