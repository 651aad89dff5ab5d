import { readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { startSampleApp, startStandalone, type StartedApp } from '../support/apps.js';
import { closeConnections, httpCall, type HttpAnswer } from '../support/http-client.js';
import { pause } from '../support/pause.js';
import type { ListShape, RunShape } from '../support/shapes.js';
import { tempFolder, type TempFolder } from '../support/temp-folder.js';

const README = readFileSync(join(resolve(import.meta.dirname, '../../..'), 'README.md'), 'utf8');

/** Words of a shell line: plain ones, and texts in single quotes, which may hold anything. */
const WORD = /'([^']*)'|[^\s'\\]+/g;
const OPTIONS = ['-X', '-H', '-d', '--data-binary'];

type Command = {
  readonly method: string;
  readonly url: string;
  readonly headers: Record<string, string>;
  readonly body: string | undefined;
};

const parseCurl = (line: string): Command => {
  const words = [...line.matchAll(WORD)].map(([word, quoted]) => quoted ?? word).slice(1);
  const headers: Record<string, string> = {};
  let method: string | undefined;
  let body: string | undefined;
  let url = '';
  for (let word = words.shift(); word !== undefined; word = words.shift()) {
    const value = OPTIONS.includes(word) ? words.shift()! : '';
    if (word === '-X') method = value;
    else if (word === '-H') headers[value.slice(0, value.indexOf(':'))] = value.slice(value.indexOf(':') + 1).trim();
    else if (OPTIONS.includes(word)) body = value;
    else if (word.startsWith('http')) url = word;
    else expect(word).toBe('-N');
  }
  return { method: method ?? 'GET', url, headers, body };
};

const commands = [...README.matchAll(/```sh\n(.*?)```/gs)]
  .flatMap(([, block]) => block!.split(/^(?=curl )/m))
  .filter((line) => line.startsWith('curl '))
  .map(parseCurl);

describe('the README', () => {
  let folder: TempFolder;
  let sample: StartedApp;
  let stepwell: StartedApp;
  beforeAll(async () => {
    folder = await tempFolder('readme');
    [sample, stepwell] = await Promise.all([startSampleApp(), startStandalone({ dataDir: folder.path })]);
  });
  afterAll(async () => {
    await Promise.all([sample.child.stop(), stepwell.child.stop()]);
    closeConnections();
    await folder.remove();
  });

  const here = (text: string): string =>
    text.replaceAll('http://127.0.0.1:8080', stepwell.url).replaceAll('http://127.0.0.1:4000', sample.url);
  const send = ({ method, url, headers, body }: Command): Promise<HttpAnswer> =>
    httpCall(method, here(url), { headers, body: body === undefined ? undefined : here(body) });

  it('shows a run with curl alone: each line answers as the text says', async () => {
    const answers: HttpAnswer[] = [];
    for (const command of commands.slice(0, -1)) answers.push(await send(command));
    expect(answers.map(({ status }) => status)).toEqual([201, 200, 200, 200]);
    const run = JSON.parse(answers[1]!.text) as RunShape;
    expect(run.status).toBe('completed');
    expect(answers[2]!.text).toBe(answers[1]!.text);
    expect(answers[3]!.text).toContain('"type":"RunCompleted"');
    let listed: string[] = [];
    // The list follows within a moment, in which a person would not have typed the line.
    for (let tries = 0; listed.length === 0 && tries < 100; tries++) {
      const list = JSON.parse((await send(commands.at(-1)!)).text) as ListShape<RunShape>;
      listed = list.items.map(({ id }) => id);
      await pause(20);
    }
    expect(listed).toEqual([run.id]);
  });
});
