import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { setTimeout as sleep } from 'node:timers/promises';
import { ALL_SHARDS } from '#event-store';
import { Application, json, stepPlan } from '../testing/dispatch-world.js';
import { SplitWorld } from '../testing/split-world.js';

let app: Application;
let world: SplitWorld | null;
beforeEach(() => {
  app = new Application();
  world = null;
});
afterEach(async () => {
  await world?.stop();
  await app.stop();
});

const until = async (holds: () => Promise<boolean> | boolean): Promise<void> => {
  while (!(await holds())) await sleep(2);
};

describe('a dispatcher that has not shown of late that it lives', () => {
  // As one wakes that was stopped in the middle of it: what came meanwhile is heard before the next beat.
  it.each([
    [
      'its start was on its way to the log',
      async (silent: () => void, committed: () => void) => {
        silent();
        committed();
      },
    ],
    [
      'its connection was being made',
      async (silent: () => void, committed: () => void) => {
        committed();
        // Turns of the same phase: a connection takes another one.
        for (let turn = 0; turn < 100; turn++) await Promise.resolve();
        silent();
      },
    ],
  ])('sends nothing of an attempt when %s as it fell silent', async (_when, wake) => {
    app.on('/', (_request, response) => json(response, 200, 1));
    const made = new SplitWorld(stepPlan(`${await app.start()}/`));
    world = made;
    const api = made.api();
    const { client, ownership } = await made.dispatcher('silent', ALL_SHARDS);
    const held: (() => void)[] = [];
    client.afterAppend = () => new Promise((resolve) => held.push(resolve));
    await api.startRun('x');
    await until(() => held.length === 1);
    client.afterAppend = null;
    await wake(
      () => (ownership.mayStart = false),
      () => held[0]!(),
    );
    await until(async () => app.requests.length > 0 || (await made.typesOf('x')).includes('AttemptFailed'));
    expect(app.requests).toHaveLength(0);
    ownership.mayStart = true;
    const { run } = (await api.ended('x'))!;
    expect([...run.steps.values()].flatMap(({ attempts }) => attempts).map(({ outcome }) => outcome)).toEqual([
      'not-executed',
      'succeeded',
    ]);
    expect(app.requests).toHaveLength(1);
  });
});
