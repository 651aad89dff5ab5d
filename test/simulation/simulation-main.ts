import { parseArgs } from 'node:util';
import { commandLine, systemClock } from '#runtime';
import { wholeNumber } from '../support/whole-number.js';
import { BROKEN, simulate, simulateOverSockets, type Simulated } from './simulation.js';

const USAGE = `usage: npm run test:simulation -- [options]
  --seeds <n>    how many worlds are simulated, from the first seed on (20)
  --seed <n>     the first seed (1); without --seeds this one alone
  --seconds <n>  no further world begins after so long
  --sockets      requests go over sockets, on a fast clock: the order of things is then the machine's
  --trace        prints what happened in each`;
/** So many lines before and after the first that is wrong. */
const SHOWN_BEFORE = 30;
const SHOWN_AFTER = 10;

const { seeds, seed, seconds, sockets, trace } = commandLine(USAGE, (args) => {
  const { values } = parseArgs({
    args,
    options: {
      seeds: { type: 'string' },
      seed: { type: 'string' },
      seconds: { type: 'string' },
      sockets: { type: 'boolean', default: false },
      trace: { type: 'boolean', default: false },
    },
  });
  const { seeds = values.seed === undefined && values.seconds === undefined ? '20' : '1', seed = '1' } = values;
  return {
    seeds: values.seconds !== undefined && values.seeds === undefined ? Infinity : wholeNumber('seeds', seeds, 1),
    seed: wholeNumber('seed', seed),
    seconds: values.seconds === undefined ? Infinity : wholeNumber('seconds', values.seconds, 1),
    sockets: values.sockets,
    trace: values.trace,
  };
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
    return await Promise.race([sockets ? simulateOverSockets(of) : simulate(of), hung]);
  } catch (fault) {
    const violation = fault instanceof Error ? (fault.stack ?? fault.message) : String(fault);
    return { violations: [violation], trace: [], runs: 0, requests: 0, simulatedMs: 0 };
  } finally {
    takeBack();
  }
};

const say = (line: string): void => void process.stdout.write(`${line}\n`);

/** What happened around the first that is wrong, or at the end. */
const shown = (lines: readonly string[]): readonly string[] => {
  const first = lines.findIndex((line) => line.includes(BROKEN));
  const at = first < 0 ? lines.length : first;
  return lines.slice(Math.max(0, at - SHOWN_BEFORE), at + SHOWN_AFTER);
};

let passed = 0;
let failed = 0;
const untilMs = systemClock.monotonicMs() + seconds * 1_000;
for (let each = seed; each < seed + seeds && systemClock.monotonicMs() < untilMs; each++) {
  const result = await simulated(each);
  const { runs, requests, simulatedMs, violations } = result;
  say(`seed ${each}: ${runs} runs, ${requests} requests, ${Math.round(simulatedMs / 1_000)} s simulated`);
  if (trace || violations.length > 0) for (const line of trace ? result.trace : shown(result.trace)) say(`  ${line}`);
  if (violations.length === 0) {
    passed += 1;
    continue;
  }
  failed += 1;
  for (const violation of violations) say(`  ${BROKEN} ${violation}`);
  say(`  repeat with: npm run test:simulation -- --seed ${each}${sockets ? ' --sockets' : ''}`);
}
say(`${passed} passed, ${failed} failed`);
// What hangs would keep the process.
process.exit(failed === 0 ? 0 : 1);
