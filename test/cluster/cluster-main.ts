import { parseArgs } from 'node:util';
import { systemEntropy } from '#runtime';
import { runJudged } from '../crash/judged-test.js';
import { clusterTest } from './cluster-test.js';

const { values } = parseArgs({
  options: {
    seconds: { type: 'string', default: '180' },
    seed: { type: 'string' },
    stop: { type: 'string' },
    keep: { type: 'boolean', default: false },
  },
});
const seconds = Number(values.seconds);
const seed = values.seed === undefined ? Number.parseInt(systemEntropy.hex(4), 16) : Number(values.seed);
// A test of minutes has the time for it.
const stopSeconds = Number(values.stop ?? (seconds >= 120 ? 60 : 0));
if (!Number.isInteger(seconds) || seconds < 1 || !Number.isInteger(seed) || !Number.isInteger(stopSeconds)) {
  throw new Error('usage: npm run test:cluster -- [--seconds N] [--stop N] [--seed S] [--keep]');
}

await runJudged({
  title: `cluster test: seed ${seed}, ${seconds} s of faults`,
  repeat: `npm run test:cluster -- --seconds ${seconds} --stop ${stopSeconds} --seed ${seed}`,
  keep: values.keep,
  perform: (tools) => clusterTest({ seconds, seed, stopSeconds, ...tools }),
});
