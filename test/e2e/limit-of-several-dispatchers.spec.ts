import { afterEach, describe, expect, it } from '@jest/globals';
import { Cluster } from '../cluster/cluster.js';
import { CountingApplication } from '../support/counting-application.js';
import { closeConnections, httpCall } from '../support/http-client.js';
import { eventually, pause } from '../support/pause.js';
import { tempFolder } from '../support/temp-folder.js';

const LIMIT = 12;
const ANSWER_MS = 400;
/** So many more runs than requests are kept open: each dispatcher has some in line at any time. */
const IN_LINE = 300;
const CLIENTS = 8;
const WINDOW_MS = 3_000;
/**
 * What a dead dispatcher had is free ten seconds after its last beat (`docs/flow-control.md`); the others beat every second.
 * The third second is for machines with much else to do.
 */
const WHOLE_AGAIN_MS = 13_000;

const open: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  for (const close of open.splice(0).reverse()) await close();
  closeConnections();
}, 30_000);

describe('a limit that three dispatcher processes share', () => {
  it('is never passed and used to four fifths, though one is killed under load', async () => {
    const application = new CountingApplication(() => ANSWER_MS);
    open.push(() => application.stop());
    const target = await application.start();
    const folder = await tempFolder('limit-of-several-dispatchers');
    open.push(() => folder.remove());
    const limits = JSON.stringify([{ kind: 'target', name: target, concurrency: LIMIT }]);
    const shape = { apis: 1, dispatchers: 3, projectors: 0, direct: true };
    const cluster = await Cluster.start(folder.path, shape, { STEPWELL_LIMITS: limits });
    open.push(() => cluster.abandon());
    const [api] = cluster.apis;
    const definition = { target, root: { type: 'step', name: 'work', url: '/work' } };
    expect((await httpCall('PUT', `${api!.url}/v1/workflows/limited`, { body: definition })).status).toBe(201);

    const load = new Load(api!.url, application);
    open.push(() => load.stop());
    load.start();
    await eventually('runs in line', async () => (load.inLine >= IN_LINE ? true : null));
    expect(load.refused).toEqual([]);
    expect(await application.averageOver(WINDOW_MS)).toBeGreaterThanOrEqual(0.8 * LIMIT);

    expect(await cluster.sharesOf(target)).toEqual([4, 4, 4]);
    await cluster.dispatchers[0]!.kill();
    const killedMs = performance.now();
    // The dead one's share is nobody's yet, and the two others have theirs.
    expect(await application.averageOver(WINDOW_MS)).toBeGreaterThanOrEqual(0.8 * (LIMIT - 4));
    await pause(killedMs + WHOLE_AGAIN_MS - performance.now());
    expect(await application.averageOver(WINDOW_MS)).toBeGreaterThanOrEqual(0.8 * LIMIT);
    expect(load.inLine).toBeGreaterThan(IN_LINE / 2);
    // Never more, counting what the killed process had sent and nobody hears the answer of.
    expect(application.peak).toBe(LIMIT);
    expect(load.refused).toEqual([]);
  }, 60_000);
});

/** Keeps runs in line at all dispatchers. */
class Load {
  readonly refused: string[] = [];
  private started = 0;
  private stopped = false;
  private clients: Promise<unknown> = Promise.resolve();

  constructor(
    private readonly url: string,
    private readonly application: CountingApplication,
  ) {}

  /** Runs that were started and have not made a request. */
  get inLine(): number {
    return this.started - this.application.began;
  }

  start(): void {
    this.clients = Promise.all(Array.from({ length: CLIENTS }, (_, client) => this.client(client)));
  }

  async stop(): Promise<void> {
    this.stopped = true;
    await this.clients;
  }

  private async client(client: number): Promise<void> {
    for (let run = 0; !this.stopped; run++) {
      if (this.inLine > IN_LINE) {
        await pause(20);
        continue;
      }
      const answer = await httpCall('POST', `${this.url}/v1/runs`, {
        headers: { 'idempotency-key': `${client}-${run}` },
        body: { workflow: 'limited' },
      });
      this.started += 1;
      if (answer.status !== 201) this.refused.push(answer.text);
    }
  }
}
