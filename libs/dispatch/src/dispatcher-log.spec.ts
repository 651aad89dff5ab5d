import { afterEach, describe, expect, it } from '@jest/globals';
import { silentLog, type Log } from '#runtime';
import { eventually } from '../../../test/support/pause.js';
import { parallel, planOf, step } from '../../domain/src/testing/tree-plans.js';
import { Application, DispatchWorld, json, runIdOf, stepPlan } from './testing/dispatch-world.js';

const open: { stop(): Promise<void> }[] = [];
afterEach(async () => {
  for (const part of open.splice(0).reverse()) await part.stop();
});

/** Keeps what is said at each level. */
const keeping = () => {
  const lines: Record<'debug' | 'info' | 'warn', [string, unknown][]> = { debug: [], info: [], warn: [] };
  const at =
    (level: keyof typeof lines): Log['info'] =>
    (message, fields) => {
      if (message !== 'shards are taken over') lines[level].push([message, fields]);
    };
  const log: Log = { ...silentLog, debug: at('debug'), info: at('info'), warn: at('warn') };
  return { lines, log };
};

const application = async (status: number) => {
  const app = new Application().on('/', (_request, response) => json(response, status, { message: 'a secret body' }));
  open.push(app);
  return `${await app.start()}/`;
};

const world = async (...args: ConstructorParameters<typeof DispatchWorld>): Promise<DispatchWorld> => {
  const made = await new DispatchWorld(...args).start();
  open.push(made);
  return made;
};

describe('the log of a process', () => {
  it('says at info what failed for good, at debug each start and attempt, and nothing of a payload', async () => {
    const { lines, log } = keeping();
    const url = await application(503);
    const made = await world(stepPlan(url, {}, { maxAttempts: 2 }), { log });
    await made.run('a', { card: 'a secret input' });
    const runId = runIdOf('a');
    expect(lines.info).toEqual([
      ['a step has failed for good', { runId, step: 'only', error: 'HTTP.503' }],
      ['a run has failed', { runId, workflow: 'test', step: 'only', error: 'HTTP.503' }],
    ]);
    const over = { runId, step: 'only', target: new URL(url).origin, outcome: 'may-have-executed', error: 'HTTP.503' };
    expect(lines.debug).toEqual([
      ['a run has started', { runId, workflow: 'test' }],
      ['an attempt is over', { ...over, attempt: 1 }],
      ['an attempt is over', { ...over, attempt: 2 }],
    ]);
    expect(JSON.stringify(lines)).not.toContain('secret');
  });

  it('says nothing at info of a run that is well, and of a step in a container no more than of any other', async () => {
    const { lines, log } = keeping();
    await (await world(stepPlan(await application(200)), { log })).run('a');
    expect(lines.info).toEqual([]);
    const url = await application(404);
    const plan = planOf(parallel({ name: 'all' }, step('one')));
    const nodes = plan.nodes.map((node) => (node.type === 'step' ? { ...node, url } : node));
    await (await world({ ...plan, nodes }, { log })).run('b');
    expect(lines.info.map(([message]) => message)).toEqual(['a step has failed for good', 'a run has failed']);
  });

  it('says that a run has timed out', async () => {
    const { lines, log } = keeping();
    const app = new Application().on('/', () => undefined);
    open.push(app);
    const made = await world(stepPlan(`${await app.start()}/`), { log });
    await made.run('a', {}, { timeoutMs: 50 });
    expect(lines.info).toEqual([
      ['a run has timed out', { runId: runIdOf('a'), workflow: 'test', error: 'Stepwell.RunTimeout' }],
    ]);
  });

  it('says why a target is left alone', async () => {
    const { lines, log } = keeping();
    const url = await application(503);
    const made = await world(stepPlan(url, {}, { maxAttempts: 5 }), { log });
    await made.startRun('a');
    await eventually('the breaker', () => Promise.resolve(lines.warn.length > 0 ? true : null));
    expect(lines.warn).toEqual([
      [
        'a target is left alone for a while',
        {
          target: new URL(url).origin,
          endpoint: url,
          why: 'attempts failed in a row',
          error: 'HTTP.503',
          ms: expect.any(Number),
        },
      ],
    ]);
  });

  it('says of an origin that cannot be reached at which address, and what happened there', async () => {
    const { lines, log } = keeping();
    const app = new Application();
    const url = await app.start();
    await app.stop();
    const made = await world(stepPlan(`${url}/`, {}, { maxAttempts: 5 }), { log });
    await made.run('a');
    const where = { target: url, endpoint: null, error: 'Stepwell.ConnectFailed' };
    expect(lines.warn).toMatchObject([
      [expect.any(String), { ...where, cause: expect.stringContaining('ECONNREFUSED') }],
    ]);
  });
});
