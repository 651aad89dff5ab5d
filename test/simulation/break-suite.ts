import { spawn } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { BREAKS } from './breaks.js';

/** Each break must be found within so many seeds. */
const SEEDS = 100;
const AT_ONCE = 2;

type Found = { readonly seed: number; readonly what: string };

/** Runs the simulation with each break in the product, and says which are found. */
export const findBreaks = async (
  say: (line: string) => void,
): Promise<{ readonly passed: number; readonly failed: number }> => {
  const left = [...BREAKS];
  let passed = 0;
  let failed = 0;
  const work = async (): Promise<void> => {
    for (let each = left.shift(); each !== undefined; each = left.shift()) {
      if (each.behind !== undefined) {
        say(`not tried  ${each.name}: ${each.behind}`);
        continue;
      }
      const found = await find(each.name);
      if (typeof found === 'string') failed += 1;
      else passed += 1;
      if (typeof found === 'string') say(`NOT FOUND  ${each.name}: ${found}`);
      else say(`found      ${each.name}: seed ${found.seed}, ${found.what}`);
    }
  };
  await Promise.all(Array.from({ length: AT_ONCE }, work));
  return { passed, failed };
};

/** With this break: the first seed that finds it, or why none does. */
const find = (name: string): Promise<Found | string> =>
  new Promise((resolve) => {
    const main = fileURLToPath(new URL('simulation-main.js', import.meta.url));
    const child = spawn(process.execPath, [main, '--break', name, '--seeds', String(SEEDS), '--first']);
    let said = '';
    child.stdout.on('data', (chunk: Buffer) => (said += chunk.toString()));
    child.stderr.on('data', (chunk: Buffer) => (said += chunk.toString()));
    child.on('close', () => {
      const broken = /^ {2}BROKEN: (.*)$/m.exec(said)?.[1];
      const seed = /--seed (\d+)$/m.exec(said)?.[1];
      if (broken === undefined || seed === undefined)
        return resolve(/^Error: .*$/m.exec(said)?.[0] ?? said.trim().split('\n').at(-1) ?? '');
      resolve({ seed: Number(seed), what: broken });
    });
  });
