import { parseArgs } from 'node:util';
import { commandLine, systemEntropy } from '#runtime';
import { wholeNumber } from '../support/whole-number.js';
import { crashTest } from './crash-test.js';
import { runJudged } from './judged-test.js';

const USAGE = `usage: npm run test:crash -- [options]
  --kills <n>  how often the process is killed (60)
  --seed <n>   the chance of an earlier run
  --keep       leaves everything that was stored`;

const { kills, seed, keep } = commandLine(USAGE, (args) => {
  const { values } = parseArgs({
    args,
    options: {
      kills: { type: 'string', default: '60' },
      seed: { type: 'string', default: String(Number.parseInt(systemEntropy.hex(4), 16)) },
      keep: { type: 'boolean', default: false },
    },
  });
  return { kills: wholeNumber('kills', values.kills, 1), seed: wholeNumber('seed', values.seed), keep: values.keep };
});

await runJudged({
  title: `crash test: seed ${seed}, ${kills} kills`,
  repeat: `npm run test:crash -- --kills ${kills} --seed ${seed}`,
  keep,
  perform: ({ folder, ...tools }) => crashTest({ kills, seed, dataDir: folder, ...tools }),
});
