import { spawnSync } from 'node:child_process';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { startSampleApp, startStandalone, type StartedApp } from '../support/apps.js';
import { curlCommands, curlRequest } from '../support/curl-commands.js';
import { closeConnections, httpCall } from '../support/http-client.js';
import { eventually } from '../support/pause.js';
import { Child, freePort } from '../support/processes.js';
import type { RunShape } from '../support/shapes.js';
import { tempFolder, type TempFolder } from '../support/temp-folder.js';

// The examples of the pages that teach. A `yaml` block is a definition. The `json start` behind it is the body of a start, `{}` by
// default; the `json result` is what the finished run shows, among more. `sh` blocks hold curl commands.

type Block = { readonly kind: string; readonly text: string };
type Section = { readonly title: string; readonly text: string; readonly blocks: readonly Block[] };
type Example = { readonly definition: string; readonly start: string; readonly result: string | null };

const pageOf = (name: string): string => readFileSync(new URL(`../../../docs/${name}`, import.meta.url), 'utf8');

const sectionsOf = (page: string): readonly Section[] =>
  page
    .split(/^## /m)
    .slice(1)
    .map((text) => ({
      title: text.slice(0, text.indexOf('\n')),
      text,
      blocks: [...text.matchAll(/^```([^\n]*)\n([\s\S]*?)^```/gm)].map(([, kind = '', block = '']) => ({
        kind,
        text: block,
      })),
    }));

const examplesOf = ({ blocks }: Section): readonly Example[] => {
  const examples: Example[] = [];
  for (const { kind, text } of blocks) {
    const last = examples.at(-1);
    if (kind === 'yaml') examples.push({ definition: text, start: '{ "workflow": "example" }', result: null });
    if (kind === 'json start') examples.push({ ...examples.pop()!, start: text });
    if (kind === 'json result' && last !== undefined) examples.push({ ...examples.pop()!, result: text });
  }
  return examples;
};

let folder: TempFolder;
let sample: StartedApp;
let stepwell: StartedApp;

beforeAll(async () => {
  folder = await tempFolder('docs');
  sample = await startSampleApp();
  stepwell = await startStandalone({ dataDir: folder.path });
});

afterAll(async () => {
  await Promise.all([sample.child.stop(), stepwell.child.stop()]);
  await folder.remove();
  closeConnections();
});

const here = (text: string): string =>
  text.replaceAll('http://127.0.0.1:8080', stepwell.url).replaceAll('http://127.0.0.1:4000', sample.url);

/** A definition whose steps all run at once, each for itself. */
const allBranches = (retry: string, steps: readonly string[]): string =>
  `{ target: ${sample.url}, retry: ${retry}, root: { type: parallel, onError: continue, branches: [${steps.join(',')}] } }`;

let starts = 0;

/** A machine need not have Python. */
const INTERPRETERS = [
  ['js', process.execPath],
  ['python', 'python3'],
].filter(([, command = '']) => spawnSync(command, ['--version']).status === 0) as [string, string][];

const runOf = async (definition: string, start: string): Promise<string> => {
  const yaml = { 'content-type': 'application/yaml' };
  const published = await httpCall('PUT', `${stepwell.url}/v1/workflows/example`, {
    headers: yaml,
    body: here(definition),
  });
  expect([definition, published.status < 300, published.text]).toEqual([definition, true, published.text]);
  const headers = { 'idempotency-key': `docs-${(starts += 1)}`, prefer: 'wait=20' };
  const ran = await httpCall('POST', `${stepwell.url}/v1/runs`, { headers, body: start });
  expect([start, ran.status]).toEqual([start, 200]);
  return ran.text;
};

/** What the page shows must be there; a list is shown whole. Digits that a double does not hold are compared as texts. */
const asShown = (text: string): unknown => JSON.parse(text.replaceAll(/([[:,\s])(\d{16,})(?=[\s,\]}])/g, '$1"$2"'));

describe.each(['workflows.md', 'steps.md'])('docs/%s', (name) => {
  it.each(sectionsOf(pageOf(name)))('shows what is true: $title', async (section) => {
    for (const { definition, start, result } of examplesOf(section)) {
      const run = await runOf(definition, start);
      if (result !== null) expect(asShown(run)).toMatchObject(asShown(result) as object);
    }
    for (const command of curlCommands(section.text)) {
      const { method, url, headers, body } = curlRequest(here(command));
      const answer = await httpCall(method, url, { headers, ...(body === undefined ? {} : { body }) });
      expect([command, answer.status < 300, answer.text]).toEqual([command, true, answer.text]);
    }
  });

  it('has an example in every section that a machine runs', () => {
    const bare = sectionsOf(pageOf(name)).filter(
      ({ blocks }) => !blocks.some(({ kind }) => /^(yaml|sh|js|python)/.test(kind)),
    );
    expect(bare.map(({ title }) => title)).toEqual([]);
  });

  it('leads only to places that are there', () => {
    const page = pageOf(name);
    const slug = (title: string): string =>
      title
        .toLowerCase()
        .replaceAll(/[^\w\s-]/g, '')
        .trim()
        .replaceAll(/\s/g, '-');
    for (const [, file = '', anchor] of page.matchAll(/\]\(([\w./-]*)(?:#([\w-]+))?\)/g)) {
      const text = file === '' ? page : pageOf(file);
      const titles = [...text.matchAll(/^#+ (.*)$/gm)].map(([, title = '']) => slug(title));
      if (anchor !== undefined) expect(titles).toContain(anchor);
    }
  });
});

describe('docs/workflows.md', () => {
  it('tells of every fault how it is named and whether the step is sent again', async () => {
    const table = [...pageOf('workflows.md').matchAll(/^\|([^|]*)\| *`((?:Stepwell|HTTP)\.[^`]*)`[^|]*\| (yes|no)/gm)];
    const rows = table.map(([, , error, again]) => `${error} ${again}`);
    const faults: Readonly<Record<string, string>> = {
      'Stepwell.InvalidAnswer no': 'url: /steps/invalid-json',
      'Stepwell.PayloadTooLarge no': "url: '/steps/huge?bytes=300000'",
      'HTTP.302 no': 'url: /steps/redirect',
      'HTTP.404 no': "url: '/steps/refuse?status=404&error='",
      'HTTP.503 yes': "url: '/steps/refuse?status=503&error='",
      'Stepwell.ConnectFailed yes': "url: 'http://127.0.0.1:9/'",
      'Stepwell.Timeout yes': 'url: /steps/black-hole, timeouts: { answerMs: 100 }',
      'Stepwell.ConnectionLost yes': 'url: /steps/reset',
      'Stepwell.StepTimeout no': 'url: /steps/black-hole, timeouts: { stepMs: 100 }',
    };
    expect(rows).toEqual(expect.arrayContaining(Object.keys(faults)));
    const steps = Object.values(faults).map((fields, index) => `{ type: step, name: s${index}, ${fields} }`);
    const retry = '{ maxAttempts: 2, initialIntervalMs: 0 }';
    const run = JSON.parse(await runOf(allBranches(retry, steps), '{ "workflow": "example" }')) as RunShape;
    const seen = run.steps[0]!.steps.map(
      ({ error, attempts }) => `${error!.name} ${attempts.length === 2 ? 'yes' : 'no'}`,
    );
    expect(seen).toEqual(Object.keys(faults));
  });
});

describe('docs/steps.md', () => {
  it('tells of every status whether it is sent again as it is', async () => {
    const rows = [...pageOf('steps.md').matchAll(/^\| ((?:`\d{3}` ?)+)[^|]*\|[^|]*\| (yes|no) +\|$/gm)];
    const statuses = rows.flatMap(([, codes = '', again]) => codes.match(/\d{3}/g)!.map((code) => ({ code, again })));
    expect(statuses.length).toBeGreaterThan(25);
    const steps = statuses.map(({ code }) => `{ type: step, name: s${code}, url: /steps/refuse?status=${code} }`);
    const retry = '{ maxAttempts: 2, initialIntervalMs: 0 }';
    const run = JSON.parse(await runOf(allBranches(retry, steps), '{ "workflow": "example" }')) as RunShape;
    const seen = run.steps[0]!.steps.map(({ name, attempts }) => ({
      code: name.slice(1),
      again: attempts.length === 2 ? 'yes' : 'no',
    }));
    expect(seen).toEqual(statuses);
  });

  it.each(INTERPRETERS)('has a step in %s that does its work once', async (language, command) => {
    const text = sectionsOf(pageOf('steps.md'))
      .flatMap(({ blocks }) => blocks)
      .find(({ kind }) => kind === language)!.text;
    const cwd = join(folder.path, language);
    mkdirSync(cwd);
    const file = join(cwd, language === 'js' ? 'step.mjs' : 'step.py');
    writeFileSync(file, text);
    const port = await freePort();
    const child = new Child(`the step in ${language}`, file, { command, cwd, env: { PORT: String(port) } });
    const pay = (key: string) =>
      httpCall('POST', `http://127.0.0.1:${port}/`, { headers: { 'idempotency-key': key }, body: {} });
    try {
      await eventually('the step to listen', () =>
        pay('a').then(
          (answer) => answer,
          () => null,
        ),
      );
      const answers = [await pay('a'), await pay('b'), await pay('a')].map(({ status, text: body }) => [
        status,
        JSON.parse(body),
      ]);
      expect(answers).toEqual([
        [200, { payment: 1 }],
        [200, { payment: 2 }],
        [200, { payment: 1 }],
      ]);
    } finally {
      await child.stop();
    }
  });
});
