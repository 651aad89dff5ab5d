import { startStandalone, type StartedApp } from '../support/apps.js';
import { httpCall } from '../support/http-client.js';
import { tempFolder } from '../support/temp-folder.js';
import type { BenchOptions } from './options.js';

/** Stepwell standalone with everything on, on fresh data. */
export type BenchServer = StartedApp & {
  readonly appends: () => Promise<number | null>;
  /** SIGTERM; a server that does not stop cleanly fails the measurement. */
  readonly stop: () => Promise<void>;
  /** Ends it whatever it does, and removes its folder. Harmless when it has stopped. */
  readonly abandon: () => Promise<void>;
};

/** A first start may have a million runs to read. */
const READY_TIMEOUT_MS = 300_000;

export type BenchServerParts = {
  /** A folder that stays; without it a fresh one, removed at the end. */
  readonly dataDir?: string;
  readonly env?: Readonly<Record<string, string>>;
};

export const startBenchServer = async (
  options: BenchOptions,
  { dataDir, env = {} }: BenchServerParts = {},
): Promise<BenchServer> => {
  const folder = dataDir === undefined ? await tempFolder('bench', options.folder ?? undefined) : null;
  const profiles = options.cpuProf ? ['--cpu-prof', `--cpu-prof-dir=${process.cwd()}`] : [];
  const app = await startStandalone({
    dataDir: dataDir ?? folder!.path,
    env,
    execArgv: profiles,
    readyTimeoutMs: READY_TIMEOUT_MS,
  }).catch(async (fault: unknown) => {
    await folder?.remove();
    throw fault;
  });
  const appends = async (): Promise<number | null> => {
    const node: unknown = JSON.parse((await httpCall('GET', `${app.url}/v1/node`)).text);
    if (typeof node !== 'object' || node === null || !('appends' in node)) return null;
    return typeof node.appends === 'number' ? node.appends : null;
  };
  const stop = async (): Promise<void> => {
    const ended = await app.child.stop();
    const { output } = app.child;
    await folder?.remove();
    if (ended !== 0) throw new Error(`the server ended with ${ended}:\n${output}`);
  };
  const abandon = async (): Promise<void> => {
    app.child.kill();
    await app.child.exited();
    await folder?.remove();
  };
  return { ...app, appends, stop, abandon };
};

/** Publishes a definition, or says why it was refused. */
export const publish = async (url: string, name: string, definition: unknown): Promise<void> => {
  const answer = await httpCall('PUT', `${url}/v1/workflows/${name}`, { body: definition });
  if (answer.status !== 201 && answer.status !== 200)
    throw new Error(`publishing ${name} gave ${answer.status}: ${answer.text}`);
};
