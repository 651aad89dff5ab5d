import { parseArgs } from 'node:util';

export type BenchOptions = {
  readonly row: 'throughput' | 'black-hole' | 'fairness' | 'memory' | 'startup' | 'width' | 'waiting' | 'large' | 'map';
  readonly seconds: number;
  readonly rounds: number;
  readonly concurrency: readonly number[];
  readonly runs: number;
  /** Runs that hang at each bad origin. */
  readonly pressure: number;
  /** Runs that are timed, one a second. */
  readonly samples: number;
  /** Makes the server write a CPU profile at its end. */
  readonly cpuProf: boolean;
  /** Where the result is written; null: into the temporary folder. */
  readonly out: string | null;
  /** Parent of the folders of data: a real disk, or the syncs cost nothing. */
  readonly folder: string | null;
};

const ROWS = ['throughput', 'black-hole', 'fairness', 'memory', 'startup', 'width', 'waiting', 'large', 'map'] as const;

/** How many runs, when nothing is said. */
const RUNS = {
  throughput: '200000',
  'black-hole': '200000',
  fairness: '50000',
  memory: '200000',
  startup: '1000000',
  width: '1',
  waiting: '500',
  large: '1',
  map: '1',
} as const;

export const USAGE = `usage: npm run bench -- [throughput | black-hole | fairness | memory | startup | width | waiting | large | map] [options]
  --seconds <n>        of each measured window (4)
  --rounds <n>         alternating rounds, medians are shown (3)
  --concurrency <n,…>  of the three-step flow (1,64,256)
  --runs <n>           memory: runs in one go (200000); startup: waiting runs (1000000);
                       waiting: runs of 2 MB (500);
                       fairness: runs of the other namespace in line (50000)
  --samples <n>        fairness: runs that are timed, one a second, idle and again beside the others (100)
  --pressure <n>       black-hole: runs that hang at each bad origin (300)
  --cpu-prof           the server writes a CPU profile when it stops
  --out <file>         where the JSON goes (a file in the temporary folder)
  --folder <folder>    where the data goes (the temporary folder)`;

/** Reads the command line; a wrong one is a fault. */
export const benchOptions = (args: readonly string[]): BenchOptions => {
  const { values, positionals } = parseArgs({
    args: [...args],
    allowPositionals: true,
    options: {
      seconds: { type: 'string', default: '4' },
      rounds: { type: 'string', default: '3' },
      concurrency: { type: 'string', default: '1,64,256' },
      runs: { type: 'string' },
      pressure: { type: 'string', default: '300' },
      samples: { type: 'string', default: '100' },
      'cpu-prof': { type: 'boolean', default: false },
      out: { type: 'string' },
      folder: { type: 'string' },
    },
  });
  const [first = 'throughput'] = positionals;
  const row = ROWS.find((known) => known === first);
  if (row === undefined || positionals.length > 1) throw new Error(`there is no bench ${positionals.join(' ')}`);
  return {
    row,
    seconds: positive('seconds', values.seconds),
    rounds: positive('rounds', values.rounds),
    concurrency: values.concurrency.split(',').map((text) => positive('concurrency', text)),
    runs: positive('runs', values.runs ?? RUNS[row]),
    pressure: positive('pressure', values.pressure),
    samples: positive('samples', values.samples),
    cpuProf: values['cpu-prof'],
    out: values.out ?? null,
    folder: values.folder ?? null,
  };
};

const positive = (name: string, text: string): number => {
  const value = Number(text);
  if (value > 0) return value;
  throw new Error(`--${name} must be a number above 0, but is ${JSON.stringify(text)}`);
};
