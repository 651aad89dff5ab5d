import { built, Child, freePort } from './processes.js';

/** A started process and where it answers. */
export type StartedApp = { readonly child: Child; readonly url: string };

export type StandaloneOptions = {
  readonly dataDir: string;
  readonly port?: number;
  readonly env?: Readonly<Record<string, string>>;
  readonly execArgv?: readonly string[];
  readonly readyTimeoutMs?: number;
};

/** Starts Stepwell standalone without waiting for it: `ready` of the child with `<url>/readyz` does that. */
export const spawnStandalone = async (options: StandaloneOptions): Promise<StartedApp> => {
  const port = options.port ?? (await freePort());
  const child = new Child('stepwell standalone', built('apps/standalone/src/main.js'), {
    // A folder of its own: a profile, a core or a stray ./data never lands in the sources.
    cwd: options.dataDir,
    env: {
      STEPWELL_PORT: String(port),
      STEPWELL_DATA_DIR: options.dataDir,
      STEPWELL_LOG_LEVEL: 'warn',
      ...options.env,
    },
    execArgv: options.execArgv ?? [],
  });
  return { child, url: `http://127.0.0.1:${port}` };
};

/** Starts Stepwell standalone on an own port and waits until it is ready. */
export const startStandalone = async (options: StandaloneOptions): Promise<StartedApp> => {
  const app = await spawnStandalone(options);
  try {
    await app.child.ready(`${app.url}/readyz`, options.readyTimeoutMs);
    return app;
  } catch (fault) {
    app.child.kill();
    throw fault;
  }
};

/** Starts the sample application on any free port. `ledgerEntries` 0 turns its ledger off. */
export const startSampleApp = async (
  ledgerEntries = 1_000_000,
  env: Readonly<Record<string, string>> = {},
): Promise<StartedApp> => {
  const child = new Child('sample application', built('apps/sample-app/src/main.js'), {
    env: { PORT: '0', LEDGER_ENTRIES: String(ledgerEntries), ...env },
  });
  const [, url] = await child.printed(/sample application on (http:\S+)/);
  return { child, url: url! };
};
