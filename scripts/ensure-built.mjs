// Builds `dist` when it is older than the sources. Plain JavaScript that runs on Node 20 too: it comes before everything else.
// The compiler writes into a folder of its own, which is then renamed into place: a reader of `dist` sees the old build or the
// new one, and two starts at once do each other no harm. A failed build leaves the old `dist` where it is.
import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readdirSync, readFileSync, renameSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { dirname, join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';

const ROOT = dirname(dirname(fileURLToPath(import.meta.url)));
const SOURCE_FOLDERS = ['apps', 'libs', 'test'];
const SOURCE_FILES = ['package.json', 'package-lock.json', 'tsconfig.json'];
const DIST = join(ROOT, 'dist');
const SWAP_LOCK = join(ROOT, 'dist.lock');
/** A swap takes milliseconds: a lock older than this was left by a process that died. */
const SWAP_LOCK_STALE_MS = 5_000;
/** A folder left by a build that died is removed when it is older than this. */
const LEFTOVER_MS = 10 * 60_000;

/** The oldest Node.js that runs what is built: `engines` of package.json. */
const NODE_MIN = [24, 9];
/** Where an optional package of the lockfile is Node.js itself. */
const NODE_COMES_ALONG = ['linux-x64', 'linux-arm64'];

/** Why this Node.js or this platform cannot run what is built; `null` when it can. */
const unfit = () => {
  const platform = `${process.platform}-${process.arch}`;
  if (process.platform === 'win32')
    return `Stepwell runs on Linux and macOS; this is ${platform}. On Windows use it inside WSL 2.`;
  const [major, minor] = process.versions.node.split('.').map(Number);
  if (major > NODE_MIN[0] || (major === NODE_MIN[0] && minor >= NODE_MIN[1])) return null;
  const remedy = NODE_COMES_ALONG.includes(platform)
    ? '`npm ci` brings it along when optional packages are not left out'
    : `npm brings none along for this platform: install it (https://nodejs.org), so that \`node\` on the PATH is that one`;
  return `Stepwell needs Node.js ${NODE_MIN.join('.')} or newer; this is ${process.versions.node} on ${platform}, and ${remedy}.`;
};

const sourceFiles = () => {
  const files = SOURCE_FILES.map((name) => join(ROOT, name)).filter((path) => existsSync(path));
  for (const folder of SOURCE_FOLDERS) {
    if (!existsSync(join(ROOT, folder))) continue;
    for (const entry of readdirSync(join(ROOT, folder), { recursive: true, withFileTypes: true })) {
      if (entry.isFile() && entry.name.endsWith('.ts')) files.push(join(entry.parentPath ?? entry.path, entry.name));
    }
  }
  return files.sort((a, b) => (a < b ? -1 : 1));
};

/** Names and contents, not times: a checkout or a copy must not cause a build, and must not hide one. */
const stampOfSources = () => {
  const hash = createHash('sha256');
  for (const path of sourceFiles()) {
    const content = readFileSync(path);
    hash.update(`${relative(ROOT, path)}\0${content.length}\0`).update(content);
  }
  return hash.digest('hex');
};

const stampOfDist = () => {
  try {
    return readFileSync(join(DIST, '.stamp'), 'utf8');
  } catch {
    return null;
  }
};

const compile = (into) => {
  const compiler = join(ROOT, 'node_modules', '@typescript', 'native', 'bin', 'tsc');
  if (!existsSync(compiler)) {
    console.error('The compiler is not installed: run `npm ci` first.');
    process.exit(1);
  }
  const flags = ['-p', 'tsconfig.json', '--outDir', into, '--noEmitOnError'];
  const { status, error } = spawnSync(process.execPath, [compiler, ...flags], { cwd: ROOT, stdio: ['ignore', 2, 2] });
  if (error) console.error(error.message);
  return status === 0;
};

const sleep = (ms) => Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, ms);

/** Only one process at a time may exchange `dist`, so that nobody renames away what another has just put there. */
const whileAlone = (call) => {
  for (;;) {
    try {
      mkdirSync(SWAP_LOCK);
      break;
    } catch (error) {
      if (error.code !== 'EEXIST') throw error;
      const heldSince = statSync(SWAP_LOCK, { throwIfNoEntry: false })?.mtimeMs ?? Date.now();
      if (Date.now() - heldSince > SWAP_LOCK_STALE_MS) rmSync(SWAP_LOCK, { recursive: true, force: true });
      else sleep(10);
    }
  }
  try {
    call();
  } finally {
    rmSync(SWAP_LOCK, { recursive: true, force: true });
  }
};

const removeLeftovers = () => {
  for (const entry of readdirSync(ROOT, { withFileTypes: true })) {
    if (!entry.isDirectory() || !/^dist\.(tmp|old)-/.test(entry.name)) continue;
    const path = join(ROOT, entry.name);
    const changedAt = statSync(path, { throwIfNoEntry: false })?.mtimeMs ?? Date.now();
    if (Date.now() - changedAt > LEFTOVER_MS) rmSync(path, { recursive: true, force: true });
  }
};

const build = (stamp, forced) => {
  const fresh = join(ROOT, `dist.tmp-${process.pid}`);
  const old = join(ROOT, `dist.old-${process.pid}`);
  rmSync(fresh, { recursive: true, force: true });
  try {
    if (!compile(fresh)) {
      console.error(`The build failed${existsSync(DIST) ? '; the previous one is still in place' : ''}.`);
      return false;
    }
    writeFileSync(join(fresh, '.stamp'), stamp);
    whileAlone(() => {
      if (!forced && stampOfDist() === stamp) return;
      if (existsSync(DIST)) renameSync(DIST, old);
      renameSync(fresh, DIST);
    });
    return true;
  } finally {
    rmSync(fresh, { recursive: true, force: true });
    rmSync(old, { recursive: true, force: true });
  }
};

const reason = unfit();
if (reason !== null) {
  console.error(reason);
  process.exit(1);
}
const forced = process.argv.includes('--force');
const stamp = stampOfSources();
if (forced || stampOfDist() !== stamp) {
  removeLeftovers();
  if (!build(stamp, forced)) process.exit(1);
}
