import { afterEach, describe, expect, it } from '@jest/globals';
import { LogFull, MemoryEventStore, type Append, type AppendOutcome } from '#event-store';
import { eventually } from '../../../test/support/pause.js';
import { Application, DispatchWorld, json, runIdOf, stepPlan } from './testing/dispatch-world.js';

/** A log that has no room while a test says so. */
class SmallLog extends MemoryEventStore {
  full = false;
  refusals = 0;
  override append(append: Append, settle: (outcome: AppendOutcome) => void): void {
    if (!this.full) return super.append(append, settle);
    this.refusals += 1;
    setImmediate(() => settle({ status: 'refused', fault: new LogFull('no room') }));
  }
}

const RUNS = 40;

describe('Dispatcher, on a log without room', () => {
  const open: { stop(): Promise<void> }[] = [];
  afterEach(async () => {
    for (const part of open.splice(0).reverse()) await part.stop();
  });

  it('starts nothing, keeps what comes back, and goes on by itself when there is room: each step is sent once', async () => {
    const store = new SmallLog();
    const answers: (() => void)[] = [];
    const app = new Application().on('/', (_request, response) => void answers.push(() => json(response, 200, {})));
    open.push(app);
    const plan = stepPlan(`${await app.start()}/`);
    const [first] = plan.nodes;
    const made = await new DispatchWorld(
      {
        ...plan,
        nodes: [
          { ...first!, next: 1 },
          { ...first!, id: 1, name: 'second' },
        ],
      },
      // One origin gets half of them.
      { store, options: { attemptsMax: 20 } },
    ).start();
    open.push(made);
    // Ten are in flight, thirty wait for a slot.
    for (let run = 0; run < RUNS; run++) await made.startRun(String(run));
    await eventually('ten requests', async () => (answers.length === 10 ? true : null));
    store.full = true;
    for (const answer of answers.splice(0)) answer();
    await eventually('refusals', async () => (store.refusals >= 10 ? true : null));
    const refused = await made.startRun('late');
    expect(refused).toMatchObject({ status: 'unavailable', cause: { code: 'storage-full' } });
    const before = store.refusals;
    await new Promise((resolve) => setTimeout(resolve, 2_500));
    expect(answers).toHaveLength(0);
    // Ten outcomes and one run in line are tried, about once a second each.
    expect(store.refusals - before).toBeGreaterThan(10);
    expect(store.refusals - before).toBeLessThan(100);
    expect((await made.engine.load(runIdOf('0')))?.run.status).toBe('running');
    store.full = false;
    const ended = Array.from({ length: RUNS }, (_, run) => made.ended(String(run)));
    const answering = setInterval(() => answers.splice(0).forEach((answer) => answer()), 5);
    const statuses = (await Promise.all(ended)).map((loaded) => loaded?.run.status);
    clearInterval(answering);
    expect(statuses).toEqual(Array.from({ length: RUNS }, () => 'completed'));
    expect(app.requests).toHaveLength(2 * RUNS);
  });
});
