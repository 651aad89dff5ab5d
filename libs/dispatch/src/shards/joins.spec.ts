import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals';
import type { Plan } from '#domain';
import { silentLog, systemClock, systemEntropy } from '#runtime';
import { planOf, sequence, step } from '../../../domain/src/testing/tree-plans.js';
import { Chance } from '../../../../test/support/chance.js';
import { eventually, pause } from '../../../../test/support/pause.js';
import { testPostgres, type TestPostgres } from '../../../../test/support/postgres.js';
import { attemptsIn } from '../../../engine/src/testing/history-in.js';
import { Application, json, runIdOf } from '../testing/dispatch-world.js';
import { SplitWorld, type Api, type DispatcherProcess } from '../testing/split-world.js';
import { PostgresShardOwnership, type OwnershipTimes } from './postgres/postgres-shard-ownership.js';

// A tenth of the real times, of the requests and of the grace alike.
const FAST: OwnershipTimes = { beatMs: 100, lateMs: 500, silentMs: 1_000 };
const ANSWER_MS = [10, 30, 100, 300, 800];
const ANSWER_MAX_MS = 3_000;
const GRACE_MS = 1_000;
const JOINS_AND_EXITS = 20;
const CLIENTS = 60;

let postgres: TestPostgres;
beforeAll(async () => {
  postgres = await testPostgres('joins');
}, 60_000);
afterAll(() => postgres.stop());

const open: { stop(): Promise<unknown> }[] = [];
afterEach(async () => {
  for (const part of open.splice(0).reverse()) await part.stop();
}, 30_000);

const twoSteps = (url: string): Plan => {
  const plan = planOf(sequence(step('one'), step('two')));
  const timeouts = { connectMs: 500, answerMs: ANSWER_MAX_MS, stepMs: null };
  const nodes = plan.nodes.map((node) =>
    node.type === 'step' ? { ...node, url: `${url}/${node.name}`, timeouts } : node,
  );
  return { ...plan, nodes };
};

/** Keeps so many runs going, until it is stopped. */
class Load {
  readonly keys: string[] = [];
  private stopped = false;
  private readonly clients: Promise<unknown>;

  constructor(private readonly api: Api) {
    this.clients = Promise.all(Array.from({ length: CLIENTS }, () => this.client()));
  }

  /** Resolves when all that was started has ended. */
  async stop(): Promise<void> {
    this.stopped = true;
    await this.clients;
  }

  private async client(): Promise<void> {
    while (!this.stopped) {
      const key = `run-${this.keys.length}`;
      this.keys.push(key);
      await this.api.run(key);
    }
  }
}

describe('dispatchers that join and leave under load', () => {
  it('have no step sent twice, and share the shards fairly all the same', async () => {
    const chance = new Chance(20);
    const app = new Application();
    open.push(app);
    for (const path of ['/one', '/two'])
      app.on(path, (_request, response) => {
        void pause(chance.oneOf(ANSWER_MS)).then(() => json(response, 200, 'done'));
      });
    const world = new SplitWorld(twoSteps(await app.start()));
    open.push(world);
    const api = world.api();
    const members: { readonly process: DispatcherProcess; readonly shared: PostgresShardOwnership }[] = [];
    let joined = 0;
    const join = async (): Promise<void> => {
      const name = `d${joined++}`;
      const options = { connectionString: postgres.url, name, times: FAST };
      const shared = new PostgresShardOwnership(systemClock, systemEntropy, silentLog, options);
      members.push({ process: await world.dispatcher(name, [], { shared, graceMs: GRACE_MS }), shared });
    };
    const fair = () =>
      eventually('a fair sharing', async () => {
        const each = members.map(({ shared }) => shared.status().shards.length).sort((a, b) => a - b);
        const sum = each.reduce((all, one) => all + one, 0);
        return sum === 64 && each.at(-1)! - each[0]! <= 1 ? true : null;
      });
    await join();
    const load = new Load(api);
    open.push(load);
    await join();
    await fair();
    for (let turn = 0; turn < JOINS_AND_EXITS; turn++) {
      // Two to four of them; those that leave are the oldest, or the newest, which is not done with its joining.
      if (members.length <= 2 || (members.length < 4 && chance.yes(0.5))) await join();
      else await members.splice(chance.yes(0.5) ? 0 : -1, 1)[0]!.process.dispatcher.stop();
      await pause(chance.between(0, 600));
    }
    await fair();
    await load.stop();
    const requests = new Map<string, number>();
    for (const { headers } of app.requests) {
      const key = `${headers['stepwell-run-id']} ${headers['stepwell-step']}`;
      requests.set(key, (requests.get(key) ?? 0) + 1);
    }
    expect([...requests].filter(([, count]) => count > 1)).toEqual([]);
    expect(requests.size).toBe(2 * load.keys.length);
    for (const key of load.keys) {
      const { run } = (await api.engine.load(runIdOf(key)))!;
      const outcomes = (await attemptsIn(world.log, runIdOf(key))).map(({ outcome }) => outcome);
      // A start that was on its way to the log when its dispatcher began to leave is given back unsent.
      expect([run.status, ...outcomes.filter((outcome) => outcome !== 'not-executed')]).toEqual([
        'completed',
        'succeeded',
        'succeeded',
      ]);
    }
  }, 60_000);
});
