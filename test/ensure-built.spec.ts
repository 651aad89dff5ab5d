import { spawn } from 'node:child_process';
import { once } from 'node:events';
import {
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  readdirSync,
  rmSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { afterEach, beforeEach, describe, expect, it, jest } from '@jest/globals';

const REPOSITORY = resolve(import.meta.dirname, '../..');

// A dozen compilers, on a machine that may have other things to do.
jest.setTimeout(60_000);

let root: string;
beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'stepwell-built-'));
  cpSync(join(REPOSITORY, 'scripts/ensure-built.mjs'), join(root, 'scripts/ensure-built.mjs'));
  symlinkSync(join(REPOSITORY, 'node_modules'), join(root, 'node_modules'));
  const compilerOptions = { target: 'es2024', module: 'nodenext', rootDir: '.', types: [] };
  writeFileSync(join(root, 'tsconfig.json'), JSON.stringify({ compilerOptions, include: ['libs'] }));
  writeFileSync(join(root, 'package.json'), '{ "type": "module" }');
  mkdirSync(join(root, 'libs'));
  source('a', 'export const a = 1;');
});
afterEach(() => rmSync(root, { recursive: true }));

const source = (name: string, text: string): void => writeFileSync(join(root, `libs/${name}.ts`), text);
const built = (name: string): string | null => {
  const path = join(root, `dist/libs/${name}.js`);
  return existsSync(path) ? readFileSync(path, 'utf8') : null;
};
const ensureBuilt = (...flags: string[]) => ensureBuiltBy([], ...flags);
const ensureBuiltBy = async (
  execArgv: readonly string[],
  ...flags: string[]
): Promise<{ code: number; said: string }> => {
  const child = spawn(process.execPath, [...execArgv, 'scripts/ensure-built.mjs', ...flags], { cwd: root });
  let said = '';
  child.stdout.on('data', (chunk: Buffer) => (said += chunk.toString()));
  child.stderr.on('data', (chunk: Buffer) => (said += chunk.toString()));
  // The `close` event of a child process carries its exit code.
  const [code] = (await once(child, 'close')) as [number];
  return { code, said };
};
const folders = (): readonly string[] => readdirSync(root).filter((name) => name.startsWith('dist'));

describe('ensure-built', () => {
  it('builds what is missing, then says and does nothing while nothing changes', async () => {
    expect(await ensureBuilt()).toEqual({ code: 0, said: '' });
    expect(built('a')).toContain('a = 1');
    writeFileSync(join(root, 'dist/libs/a.js'), 'kept');
    expect(await ensureBuilt()).toEqual({ code: 0, said: '' });
    expect(built('a')).toBe('kept');
    expect(await ensureBuilt('--force')).toEqual({ code: 0, said: '' });
    expect(built('a')).toContain('a = 1');
  });

  it('builds again after a source was changed, added or removed, and keeps no output of a removed one', async () => {
    await ensureBuilt();
    source('a', 'export const a = 2;');
    await ensureBuilt();
    expect(built('a')).toContain('a = 2');
    source('b', 'export const b = 1;');
    await ensureBuilt();
    expect(built('b')).toContain('b = 1');
    rmSync(join(root, 'libs/b.ts'));
    await ensureBuilt();
    expect(built('b')).toBeNull();
  });

  it('shows the errors of a failed build, exits with 1 and leaves the old one in place', async () => {
    await ensureBuilt();
    source('a', 'export const a: string = 2;');
    const { code, said } = await ensureBuilt();
    expect(code).toBe(1);
    expect(said).toContain('libs/a.ts(1,14): error TS2322');
    expect(built('a')).toContain('a = 1');
    expect(folders()).toEqual(['dist']);
  });

  it('may be started several times at once, and leaves one whole build and nothing else', async () => {
    const ends = await Promise.all([ensureBuilt(), ensureBuilt(), ensureBuilt('--force'), ensureBuilt('--force')]);
    expect(ends).toEqual(ends.map(() => ({ code: 0, said: '' })));
    expect(built('a')).toContain('a = 1');
    expect(folders()).toEqual(['dist']);
  });

  it('gets over the lock of a build that died', async () => {
    mkdirSync(join(root, 'dist.lock'));
    utimesSync(join(root, 'dist.lock'), 0, 0);
    const { code } = await ensureBuilt();
    expect(code).toBe(0);
    expect(built('a')).toContain('a = 1');
    expect(folders()).toEqual(['dist']);
  });

  /** Node.js as it is elsewhere, for the script alone. */
  const elsewhere = (platform: string, arch: string, version: string) => {
    const text = JSON.stringify({ platform, arch, versions: { node: version } });
    return [
      '--import',
      `data:text/javascript,for (const [name, value] of Object.entries(${text}))
      Object.defineProperty(process, name, { value });`,
    ];
  };

  it.each([
    [
      'darwin',
      'arm64',
      '22.11.0',
      'needs Node.js 24.9 or newer; this is 22.11.0 on darwin-arm64, and npm brings none along',
    ],
    ['darwin', 'x64', '24.8.0', 'this is 24.8.0 on darwin-x64'],
    ['linux', 'x64', '20.20.2', 'this is 20.20.2 on linux-x64, and `npm ci` brings it along'],
    ['win32', 'x64', '24.21.0', 'On Windows use it inside WSL 2'],
  ])(
    'says on %s-%s with Node.js %s in one line what is missing, and builds nothing',
    async (platform, arch, version, words) => {
      const { code, said } = await ensureBuiltBy(elsewhere(platform, arch, version));
      expect(code).toBe(1);
      expect(said).toContain(words);
      expect(said.trim().split('\n')).toHaveLength(1);
      expect(folders()).toEqual([]);
    },
  );

  it.each([
    ['darwin', 'arm64', '24.9.0'],
    ['freebsd', 'x64', '26.0.0'],
  ])('builds on %s-%s with Node.js %s', async (platform, arch, version) => {
    expect(await ensureBuiltBy(elsewhere(platform, arch, version))).toEqual({ code: 0, said: '' });
  });

  it('asks for the Node.js that package.json asks for', () => {
    const { engines } = JSON.parse(readFileSync(join(REPOSITORY, 'package.json'), 'utf8')) as {
      engines: { node: string };
    };
    const [, major, minor] = /NODE_MIN = \[(\d+), (\d+)\]/.exec(
      readFileSync(join(root, 'scripts/ensure-built.mjs'), 'utf8'),
    )!;
    expect(engines.node).toBe(`>=${major}.${minor}`);
  });
});
