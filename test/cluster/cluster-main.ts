import { parseArgs } from 'node:util';
import { commandLine, systemEntropy } from '#runtime';
import { runJudged } from '../crash/judged-test.js';
import { missingKafka } from '../support/kafka.js';
import { wholeNumber } from '../support/whole-number.js';
import { clusterTest } from './cluster-test.js';

const USAGE = `usage: npm run test:cluster -- [options]
  --seconds <n>  of faults (180)
  --stop <n>     seconds for which one dispatcher is stopped before (60 in a test of two minutes or more, else 0)
  --joins <n>    of dispatchers, and exits, before (20 in a test of two minutes or more, else 0)
  --seed <n>     the chance of an earlier run
  --keep         leaves everything that was stored`;

const { seconds, stopSeconds, joins, seed, keep } = commandLine(USAGE, (args) => {
  const { values } = parseArgs({
    args,
    options: {
      seconds: { type: 'string', default: '180' },
      seed: { type: 'string', default: String(Number.parseInt(systemEntropy.hex(4), 16)) },
      stop: { type: 'string' },
      joins: { type: 'string' },
      keep: { type: 'boolean', default: false },
    },
  });
  const ofFaults = wholeNumber('seconds', values.seconds, 1);
  return {
    seconds: ofFaults,
    // A test of minutes has the time for it.
    stopSeconds: wholeNumber('stop', values.stop ?? (ofFaults >= 120 ? '60' : '0')),
    joins: wholeNumber('joins', values.joins ?? (ofFaults >= 120 ? '20' : '0')),
    seed: wholeNumber('seed', values.seed),
    keep: values.keep,
  };
});

const missing = await missingKafka();
if (missing !== null) {
  process.stderr.write(`cluster test not run: ${missing}\n`);
  process.exit(1);
}

await runJudged({
  title: `cluster test: seed ${seed}, ${seconds} s of faults`,
  repeat: `npm run test:cluster -- --seconds ${seconds} --stop ${stopSeconds} --joins ${joins} --seed ${seed}`,
  keep,
  perform: (tools) => clusterTest({ seconds, seed, stopSeconds, joins, ...tools }),
});
