import { execFile } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { SHAPES, type Shape } from './large-run.js';
import type { BenchOptions } from './options.js';

/** In this order: what takes the run over adds to it, and what archives it leaves a stub of it. */
const MEASURES = ['write', 'load', 'show', 'rebuild', 'take-over', 'archive'] as const;
const GOAL_STATE_MIB = 20;
const WITHIN_MS = 600_000;

type Figures = Readonly<Record<string, number | string>>;
export type LargeFigures = Readonly<Record<Shape, Readonly<Record<string, Figures>>>>;

/** What is done with one run of 99,001 entered steps, and with one of 490,000 events: each by a process of its own. */
export const measureLarge = async (options: BenchOptions, say: (line: string) => void): Promise<LargeFigures> => {
  const figures: Record<Shape, Record<string, Figures>> = { steps: {}, events: {} };
  for (const shape of SHAPES) {
    const folder = await mkdtemp(join(options.folder ?? tmpdir(), 'stepwell-large-'));
    try {
      for (const what of MEASURES) {
        const measured = await measure(what, shape, folder);
        figures[shape][what] = measured;
        say(`${shape.padEnd(8)}${what.padEnd(11)}${Object.entries(measured).map(shown).join(' · ')}`);
      }
    } finally {
      await rm(folder, { recursive: true });
    }
    const stateMiB = Number(figures[shape]['load']?.['stateMiB']);
    const verdict = stateMiB < GOAL_STATE_MIB ? 'reached' : 'MISSED';
    say(`goal: the state to decide on under ${GOAL_STATE_MIB} MiB: ${stateMiB.toFixed(1)}, ${verdict}`);
  }
  return figures;
};

const shown = ([name, value]: [string, number | string]): string =>
  `${name} ${typeof value === 'number' ? value.toLocaleString('en', { maximumFractionDigits: 1 }) : value}`;

const measure = async (what: string, shape: Shape, folder: string): Promise<Figures> => {
  const main = fileURLToPath(new URL('large-main.js', import.meta.url));
  const { stdout } = await promisify(execFile)(
    process.execPath,
    ['--expose-gc', '--enable-source-maps', main, what, shape, folder],
    { timeout: WITHIN_MS },
  );
  // It is a program of ours, which prints this.
  return JSON.parse(stdout) as Figures;
};
