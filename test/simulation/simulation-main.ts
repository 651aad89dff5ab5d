import { parseArgs } from 'node:util';
import { commandLine, systemClock } from '#runtime';
import { wholeNumber } from '../support/whole-number.js';
import { findBreaks } from './break-suite.js';
import { breakProduct } from './breaks.js';
import type { Simulated } from './simulation.js';

const USAGE = `usage: npm run test:simulation -- [options]
  --seeds <n>    how many worlds are simulated, from the first seed on (20)
  --seed <n>     the first seed (1); without --seeds this one alone
  --seconds <n>  no further world begins after so long
  --first        no further world begins after the first that is broken
  --sockets      requests go over sockets, on a fast clock: the order of things is then the machine's
  --trace        prints what happened in each
  --break <name> with this fault in the product
  --breaks       tries all faults that are known, each by itself: the simulation must find them`;
/** So many lines before and after the first that is wrong. */
const SHOWN_BEFORE = 30;
const SHOWN_AFTER = 10;

const options = commandLine(USAGE, (args) => {
  const { values } = parseArgs({
    args,
    options: {
      seeds: { type: 'string' },
      seed: { type: 'string' },
      seconds: { type: 'string' },
      first: { type: 'boolean', default: false },
      sockets: { type: 'boolean', default: false },
      trace: { type: 'boolean', default: false },
      break: { type: 'string' },
      breaks: { type: 'boolean', default: false },
    },
  });
  const { seeds = values.seed === undefined && values.seconds === undefined ? '20' : '1', seed = '1' } = values;
  return {
    ...values,
    seeds: values.seconds !== undefined && values.seeds === undefined ? Infinity : wholeNumber('seeds', seeds, 1),
    seed: wholeNumber('seed', seed),
    seconds: values.seconds === undefined ? Infinity : wholeNumber('seconds', values.seconds, 1),
  };
});

/** A world takes some seconds at the most; one that has not ended by then never will. */
const HUNG_AFTER_MS = 60_000;

const say = (line: string): void => void process.stdout.write(`${line}\n`);

/** Of the product as it is, or broken. */
const simulations = () => {
  if (options.break !== undefined) breakProduct(options.break);
  return import('./simulation.js');
};

/** A world that hangs or throws is broken too, and is told of by its seed. */
const simulated = async (simulate: (seed: number) => Promise<Simulated>, seed: number): Promise<Simulated> => {
  const nothing = { trace: [], runs: 0, requests: 0, simulatedMs: 0 };
  let end: (fault: unknown) => void = () => undefined;
  const ended = new Promise<Simulated>((resolve) => {
    end = (fault) => {
      const violation = fault instanceof Error ? (fault.stack ?? fault.message) : String(fault);
      resolve({ ...nothing, violations: [violation] });
    };
  });
  const takeBack = systemClock.after(HUNG_AFTER_MS, () => end(`it has not ended in ${HUNG_AFTER_MS / 1_000} s`));
  process.on('uncaughtException', end);
  try {
    return await Promise.race([
      simulate(seed).catch((fault: unknown) => {
        end(fault);
        return ended;
      }),
      ended,
    ]);
  } finally {
    takeBack();
    process.off('uncaughtException', end);
  }
};

/** What happened around the first that is wrong, or at the end. */
const shown = (lines: readonly string[], isWrong: (line: string) => boolean): readonly string[] => {
  const first = lines.findIndex(isWrong);
  const at = first < 0 ? lines.length : first;
  return lines.slice(Math.max(0, at - SHOWN_BEFORE), at + SHOWN_AFTER);
};

const simulateAll = async (): Promise<{ passed: number; failed: number }> => {
  const { BROKEN, simulate, simulateOverSockets } = await simulations();
  const { seed, seeds, seconds, sockets, trace } = options;
  const untilMs = systemClock.monotonicMs() + seconds * 1_000;
  let passed = 0;
  let failed = 0;
  for (let each = seed; each < seed + seeds && systemClock.monotonicMs() < untilMs; each++) {
    const result = await simulated(sockets ? simulateOverSockets : simulate, each);
    const { runs, requests, simulatedMs, violations } = result;
    say(`seed ${each}: ${runs} runs, ${requests} requests, ${Math.round(simulatedMs / 1_000)} s simulated`);
    if (trace) for (const line of result.trace) say(`  ${line}`);
    if (violations.length === 0) {
      passed += 1;
      continue;
    }
    failed += 1;
    if (!trace) for (const line of shown(result.trace, (line) => line.includes(BROKEN))) say(`  ${line}`);
    for (const violation of violations) say(`  ${BROKEN} ${violation}`);
    say(`  repeat with: npm run test:simulation --${sockets ? ' --sockets' : ''} --seed ${each}`);
    if (options.first) break;
  }
  return { passed, failed };
};

const { passed, failed } = await (options.breaks ? findBreaks(say) : simulateAll());
say(`${passed} passed, ${failed} failed`);
// What hangs would keep the process.
process.exit(failed === 0 ? 0 : 1);
