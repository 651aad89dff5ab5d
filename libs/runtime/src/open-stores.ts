import { systemClock } from './clock.js';
import type { Config } from './config.js';
import type { Log } from './log.js';
import { MetricsPage } from './metrics/prom-client/metrics-page.js';
import { nodeInfo, type NodeRole } from './node-info.js';
import { OpsServer } from './ops-server.js';
import { postgresAnswers } from './postgres/postgres-answers.js';
import { readinessOf } from './readiness.js';

const PAUSE_MS_MIN = 250;
const PAUSE_MS_MAX = 5_000;
/** How often it is told that a store is still waited for. */
const TELL_MS = 30_000;

type StoreConfig = Pick<Config, 'http' | 'eventStore' | 'limits' | 'views'>;

/**
 * Opens the log and sees that Postgres answers, and waits for what lives on other machines as long as it takes: containers
 * start in any order. So long the process is alive and not ready, and says what it waits for. Only a fault that is `retryable`
 * is waited out: wrong credentials and servers that are too old end the start at once.
 */
export const openStores = async (
  store: { start(): Promise<void> },
  config: StoreConfig,
  log: Log,
  roles: readonly NodeRole[],
): Promise<void> => {
  const { url } = config.views;
  const waiting = new Waiting(config, log, roles);
  try {
    if (config.eventStore === 'eventstoredb') await waiting.for('the event store', () => store.start());
    else await store.start();
    if (url !== null) await waiting.for('Postgres', () => postgresAnswers(url));
  } finally {
    await waiting.end();
  }
};

/** Asks again and again, and answers on the port of the process meanwhile, until that has its own server. */
class Waiting {
  #server: OpsServer | null = null;
  #awaited = '';

  constructor(
    private readonly config: StoreConfig,
    private readonly log: Log,
    private readonly roles: readonly NodeRole[],
  ) {}

  async for(name: string, open: () => Promise<void>): Promise<void> {
    this.#awaited = name;
    const sinceMs = systemClock.monotonicMs();
    let toldMs = -Infinity;
    for (let pauseMs = PAUSE_MS_MIN; ; pauseMs = Math.min(pauseMs * 2, PAUSE_MS_MAX)) {
      try {
        await open();
        if (toldMs > 0) this.log.info(`${name} answers; the start goes on`);
        return;
      } catch (err) {
        if (!isRetryable(err)) throw err;
        await this.#answerMeanwhile();
        const nowMs = systemClock.monotonicMs();
        if (nowMs - toldMs >= TELL_MS) {
          toldMs = nowMs;
          this.log.warn(`the start waits for ${name}`, { err, waitedMs: Math.round(nowMs - sinceMs) });
        }
      }
      await new Promise<void>((resolve) => systemClock.after(pauseMs, resolve));
    }
  }

  async end(): Promise<void> {
    await this.#server?.stop();
  }

  async #answerMeanwhile(): Promise<void> {
    if (this.#server !== null) return;
    const { config, log, roles } = this;
    this.#server = new OpsServer({
      http: config.http,
      readiness: async () =>
        readinessOf({ process: { status: 'not-ready', detail: `The start waits for ${this.#awaited}.` } }),
      metrics: new MetricsPage({}),
      node: nodeInfo(config, {
        roles,
        versions: { eventStoreServer: null, viewsSchema: null },
        state: () => ({ shards: { owned: 0, acting: 0, of: 0 } }),
      }),
      log,
      starting: true,
    });
    await this.#server.start();
  }
}

const isRetryable = (error: unknown): boolean => (error as { retryable?: unknown } | null)?.retryable === true;
