import { parseArgs } from 'node:util';
import { systemEntropy } from '#runtime';
import { crashTest } from './crash-test.js';
import { runJudged } from './judged-test.js';

const { values } = parseArgs({
  options: {
    kills: { type: 'string', default: '60' },
    seed: { type: 'string' },
    keep: { type: 'boolean', default: false },
  },
});
const kills = Number(values.kills);
const seed = values.seed === undefined ? Number.parseInt(systemEntropy.hex(4), 16) : Number(values.seed);
if (!Number.isInteger(kills) || kills < 1 || !Number.isInteger(seed)) {
  throw new Error('usage: npm run test:crash -- [--kills N] [--seed S] [--keep]');
}

await runJudged({
  title: `crash test: seed ${seed}, ${kills} kills`,
  repeat: `npm run test:crash -- --kills ${kills} --seed ${seed}`,
  keep: values.keep,
  perform: ({ folder, ...tools }) => crashTest({ kills, seed, dataDir: folder, ...tools }),
});
