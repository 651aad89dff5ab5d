import { deepStrictEqual, ok, strictEqual } from 'node:assert/strict';

import { startSampleApp, startStandalone } from '../support/apps.js';
import { followEvents } from '../support/event-stream.js';
import { closeConnections, httpCall, type HttpAnswer } from '../support/http-client.js';
import type { Child } from '../support/processes.js';
import { allSteps, type RunShape } from '../support/shapes.js';
import { tempFolder } from '../support/temp-folder.js';
import { LiveLog } from './live.js';
import { runTree } from './run-tree.js';
import { announce, bold, cyan, dim, duration, green, line, red } from './terminal.js';

const DEMO_TIMEOUT_MS = 50_000;

const definition = (target: string): string => `\
description: Welcomes a new user
target: ${target}
retry: { maxAttempts: 5, initialIntervalMs: 400 }
root:
  type: sequence
  steps:
    - { type: step, name: create-user, url: /steps/create-user?delayMs=120 }
    - type: parallel
      name: notify
      branches:
        - { type: step, name: send-email, url: /steps/send-email?delayMs=250 }
        - { type: step, name: send-analytics, url: /steps/send-analytics?delayMs=80 }
`;

type Started = { readonly name: string; readonly id: string };

const start = (url: string, key: string, input: unknown): Promise<HttpAnswer> =>
  httpCall('POST', `${url}/v1/runs`, { headers: { 'idempotency-key': key }, body: { workflow: 'welcome', input } });

const idOf = (answer: HttpAnswer): string => {
  strictEqual(answer.status, 201, `starting a run answered ${answer.status}: ${answer.text}`);
  return (JSON.parse(answer.text) as RunShape).id;
};

const startRuns = async (url: string): Promise<readonly Started[]> => {
  const ada = await start(url, 'welcome-ada', { name: 'Ada' });
  line(`${cyan('Ada')}     as it should be`);
  const grace = await start(url, 'welcome-grace', { name: 'Grace', failing: { 'send-email': 2 } });
  line(`${cyan('Grace')}   her e-mail fails twice and is tried again`);
  const edsger = await start(url, 'welcome-edsger', { name: 'Edsger' });
  const again = await start(url, 'welcome-edsger', { name: 'Edsger' });
  const other = await start(url, 'welcome-edsger', { name: 'Someone else' });
  strictEqual(again.headers['idempotent-replayed'], 'true', 'the repeated start is not marked as a replay');
  strictEqual(again.text, edsger.text, 'the repeated start was answered with other bytes');
  strictEqual(other.status, 422, `the key with another payload answered ${other.status}: ${other.text}`);
  const replay = `answered ${again.status} with the same bytes, ${bold('Idempotent-Replayed: true')}`;
  line(`${cyan('Edsger')}  his start is sent twice with one key: ${replay}`);
  line(`        and with another payload: ${other.status}, nothing started`);
  return [
    { name: 'Ada', id: idOf(ada) },
    { name: 'Grace', id: idOf(grace) },
    { name: 'Edsger', id: idOf(edsger) },
  ];
};

const readRun = async (url: string, id: string): Promise<RunShape> => {
  const answer = await httpCall('GET', `${url}/v1/runs/${id}`);
  strictEqual(answer.status, 200, `reading run ${id} answered ${answer.status}: ${answer.text}`);
  return JSON.parse(answer.text) as RunShape;
};

/** What the demonstration promises, checked: a demonstration that cannot fail shows nothing. */
const checkRun = (name: string, run: RunShape): void => {
  strictEqual(run.status, 'completed', `the run of ${name} is ${run.status}`);
  const attempts = (step: string): readonly (number | null)[] => {
    const found = allSteps(run.steps).find((entered) => entered.name === step);
    ok(found, `the run of ${name} has no step ${step}`);
    return found.attempts.map((attempt) => attempt.status);
  };
  deepStrictEqual(attempts('create-user'), [200], `the attempts of create-user for ${name}`);
  deepStrictEqual(
    attempts('send-email'),
    name === 'Grace' ? [503, 503, 200] : [200],
    `the attempts of send-email for ${name}`,
  );
  deepStrictEqual(attempts('send-analytics'), [200], `the attempts of send-analytics for ${name}`);
};

const demo = async (children: Child[], dataDir: string): Promise<void> => {
  const sinceMs = performance.now();
  line();
  line(`${bold('Stepwell')}  durable workflows over HTTP: it POSTs your steps, and never loses one`);
  line();
  const app = await announce(
    'sample application',
    () => startSampleApp(),
    ({ url }) => dim(url),
  );
  children.push(app.child);
  const stepwell = await announce(
    'Stepwell, embedded store',
    () => startStandalone({ dataDir }),
    ({ url }) => dim(url),
  );
  children.push(stepwell.child);
  const { url } = stepwell;
  await announce(
    'definition',
    async () => {
      const answer = await httpCall('PUT', `${url}/v1/workflows/welcome`, {
        headers: { 'content-type': 'application/yaml' },
        body: definition(app.url),
      });
      strictEqual(answer.status, 201, `publishing answered ${answer.status}: ${answer.text}`);
    },
    () => `welcome, version 1: ${cyan('create-user')} → (${cyan('send-email')} ∥ ${cyan('send-analytics')})`,
  );
  line();
  line(bold('Starting runs'));
  const runs = await startRuns(url);
  strictEqual(new Set(runs.map(({ id }) => id)).size, 3, 'three keys must give three runs');
  line();
  line(`${bold('Live')}  ${dim('the events of the three runs, over SSE')}`);
  const log = new LiveLog();
  await Promise.all(
    runs.map(({ name, id }) => followEvents(`${url}/v1/runs/${id}/events`, (event) => log.show(name, event))),
  );
  line();
  line(bold('Finished'));
  for (const { name, id } of runs) {
    const run = await readRun(url, id);
    line();
    for (const text of runTree(name, run)) line(text);
    checkRun(name, run);
  }
  const summary = JSON.parse((await httpCall('GET', `${app.url}/ledger/summary`)).text) as {
    requests: number;
    effectsApplied: number;
    effectsDuplicate: number;
  };
  line();
  line(
    `The application's own ledger: ${summary.requests} requests, ${summary.effectsApplied} effects, ${summary.effectsDuplicate} done twice.`,
  );
  strictEqual(summary.requests, 11, 'three runs of three steps with two failures are eleven requests');
  strictEqual(summary.effectsApplied, 9, 'three runs of three steps are nine effects');
  strictEqual(summary.effectsDuplicate, 0, 'an effect was done twice');
  await Promise.all(
    [stepwell.child, app.child].map(async (child) =>
      strictEqual(await child.stop(), 0, `a process did not stop cleanly:\n${child.output}`),
    ),
  );
  line(
    `${green('✔')} ${bold('All as promised')}, in ${duration(performance.now() - sinceMs)}. Next: ${bold('npm start')}, then open ${cyan('http://127.0.0.1:8080/docs')}`,
  );
  line();
};

const children: Child[] = [];
const folder = await tempFolder('demo');
const killAll = (): void => {
  for (const child of children) child.kill();
};
const limit = setTimeout(() => {
  process.stderr.write(`the demonstration did not end in ${DEMO_TIMEOUT_MS / 1000} s\n`);
  process.exitCode = 1;
  killAll();
}, DEMO_TIMEOUT_MS);
process.once('SIGINT', () => {
  process.exitCode = 130;
  killAll();
});
try {
  await demo(children, folder.path);
} catch (fault) {
  // A signal has said already why it ends.
  if (process.exitCode === undefined) {
    line();
    process.stderr.write(`  ${red('✘')} ${fault instanceof Error ? fault.message : String(fault)}\n`);
    for (const child of children) if (child.output !== '') process.stderr.write(`\n${child.output}`);
    process.exitCode = 1;
  }
} finally {
  clearTimeout(limit);
  killAll();
  await Promise.all(children.map((child) => child.exited()));
  closeConnections();
  await folder.remove();
}
