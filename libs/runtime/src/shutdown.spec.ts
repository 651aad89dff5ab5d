import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { resolve } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, describe, expect, it } from '@jest/globals';

const started: ChildProcess[] = [];
afterEach(() => {
  for (const child of started.splice(0)) child.kill('SIGKILL');
});

/** A real process that registers the given stops (source text) and stays alive; resolves when it is ready. */
const start = async (stops: readonly string[]): Promise<{ child: ChildProcess; said: () => string }> => {
  const module = JSON.stringify(resolve(import.meta.dirname, 'shutdown.js'));
  const registered = stops.map((stop) => `onShutdown(${stop});`).join('\n');
  const script = `import { onShutdown } from ${module};
    import { setTimeout as sleep } from 'node:timers/promises';
    const alive = setInterval(() => {}, 1000);
    ${registered}
    console.log('ready');`;
  const child = spawn(process.execPath, ['--input-type=module', '-e', script], {
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  started.push(child);
  let text = '';
  child.stdout!.on('data', (chunk: Buffer) => (text += chunk.toString()));
  child.stderr!.on('data', (chunk: Buffer) => (text += chunk.toString()));
  while (!text.includes('ready')) await once(child.stdout!, 'data');
  return { child, said: () => text };
};

const ended = async (child: ChildProcess): Promise<number | string | null> => {
  if (child.exitCode === null && child.signalCode === null) await once(child, 'close');
  return child.exitCode ?? child.signalCode;
};

describe('onShutdown', () => {
  it.each(['SIGTERM', 'SIGINT'] as const)(
    'stops the latest first at %s, one after the other, and exits with 0',
    async (signal) => {
      const { child, said } = await start([
        `() => console.log('stopped the store')`,
        `async () => { console.log('stopping the server'); await sleep(50); console.log('stopped the server'); }`,
      ]);
      child.kill(signal);
      expect(await ended(child)).toBe(0);
      expect(said()).toBe('ready\nstopping the server\nstopped the server\nstopped the store\n');
    },
  );

  it('takes two signals within a moment for one, as npm and the process group send them', async () => {
    const { child, said } = await start([`async () => { await sleep(300); console.log('stopped'); }`]);
    child.kill('SIGINT');
    child.kill('SIGINT');
    await sleep(50);
    child.kill('SIGTERM');
    expect(await ended(child)).toBe(0);
    expect(said()).toContain('stopped');
  });

  it.each([
    ['SIGINT', 130],
    ['SIGTERM', 143],
  ] as const)('exits at once when %s comes again half a second later', async (signal, code) => {
    const { child, said } = await start([`async () => { await sleep(15_000); console.log('stopped'); }`]);
    child.kill(signal);
    await sleep(600);
    child.kill(signal);
    expect(await ended(child)).toBe(code);
    expect(said()).not.toContain('stopped');
  });

  it('exits with 1 and says why when a stop fails', async () => {
    const { child, said } = await start([`async () => { throw new Error('the disk is full'); }`]);
    child.kill('SIGTERM');
    expect(await ended(child)).toBe(1);
    expect(said()).toContain('The stop has failed: Error: the disk is full');
  });

  it('leaves a signal to the system as long as nothing is registered', async () => {
    const { child } = await start([]);
    child.kill('SIGTERM');
    expect(await ended(child)).toBe('SIGTERM');
  });
});
