import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { jsonTexts, numbersIn } from '../../libs/runtime/testing/json-texts.js';
import { startStandalone, type StartedApp } from '../support/apps.js';
import { closeConnections, httpCall } from '../support/http-client.js';
import { tempFolder, type TempFolder } from '../support/temp-folder.js';

// Texts, never values: a JSON parser of the test would lose what the test looks for.

const RUNS = 25;
/** What the application was sent, a path a step, and what it answers there. */
const received = new Map<string, string>();
let answerText = 'null';
const application: Server = createServer((request, response) => {
  let body = '';
  request.setEncoding('utf8');
  request.on('data', (chunk: string) => (body += chunk));
  request.on('end', () => {
    received.set(request.url ?? '', body);
    response.writeHead(200, { 'content-type': 'application/json' });
    response.end(request.url === '/first' ? answerText : body);
  });
});
let folder: TempFolder;
let stepwell: StartedApp;
let target: string;

beforeAll(async () => {
  folder = await tempFolder('payload-text');
  await new Promise<void>((resolve) => application.listen(0, '127.0.0.1', resolve));
  target = `http://127.0.0.1:${(application.address() as AddressInfo).port}`;
  stepwell = await startStandalone({ dataDir: folder.path });
});

afterAll(async () => {
  await stepwell.child.stop();
  closeConnections();
  application.closeAllConnections();
  await new Promise((resolve) => application.close(resolve));
  await folder.remove();
});

const call = async (method: string, path: string, body?: string, headers: Record<string, string> = {}) => {
  const { status, text } = await httpCall(method, `${stepwell.url}${path}`, { body, headers });
  return { status, text };
};
const idIn = (text: string): string => /^\{"id":"([^"]+)"/.exec(text)![1]!;
const start = (key: string, input: string, headers: Record<string, string> = {}) =>
  call('POST', '/v1/runs', `{ "workflow": "numbers", "input" : ${input}, "variables": {"v":${input}} }`, {
    'idempotency-key': key,
    ...headers,
  });

describe('a payload of any numbers', () => {
  const shown: { readonly id: string; readonly run: string; readonly events: string }[] = [];

  it('comes out as the text that it came in, wherever it is sent or shown', async () => {
    const steps = `[{"type":"step","name":"first","url":"/first"},{"type":"step","name":"second","url":"/second"}]`;
    const definition = `{"target":"${target}","root":{"type":"sequence","name":"all","steps":${steps}}}`;
    expect((await call('PUT', '/v1/workflows/numbers', definition)).status).toBe(201);
    let key = 0;
    await fc.assert(
      fc.asyncProperty(jsonTexts, jsonTexts, async (input, answer) => {
        answerText = answer.spaced;
        key += 1;
        const ended = await start(`k${key}`, input.spaced, { prefer: 'wait=20' });
        expect(ended.status).toBe(200);
        expect([received.get('/first'), received.get('/second')]).toEqual([input.compact, answer.compact]);
        const id = idIn(ended.text);
        const run = (await call('GET', `/v1/runs/${id}`)).text;
        expect(run).toBe(ended.text);
        expect(run).toContain(`,"variables":{"v":${input.compact}},`);
        expect(run).toContain(`,"input":${input.compact},"output":${answer.compact},"error":null,`);
        const events = (await call('GET', `/v1/runs/${id}/events`)).text;
        expect(events).toContain(`"variables":{"v":${input.compact}},"input":${input.compact}},"actor"`);
        expect(events.split(`"output":${answer.compact}},"actor"`)).toHaveLength(3);
        // What was sent in another spacing is the same start, and so is what was sent as it is shown.
        expect(await start(`k${key}`, input.compact)).toEqual(await start(`k${key}`, input.spaced));
        shown.push({ id, run, events });
      }),
      { numRuns: RUNS },
    );
    expect(shown.some(({ run }) => numbersIn(run).some((number) => String(Number(number)) !== number))).toBe(true);
  });

  it('is read back from the log as the same text', async () => {
    await stepwell.child.stop();
    stepwell = await startStandalone({ dataDir: folder.path });
    for (const { id, run, events } of shown) {
      // Counted repetitions of the start are one more event.
      const counted = /"revision":\d+|"duplicateStarts":\{[^}]*\}/g;
      expect((await call('GET', `/v1/runs/${id}`)).text.replace(counted, '')).toBe(run.replace(counted, ''));
      expect((await call('GET', `/v1/runs/${id}/events`)).text).toContain(events.slice(0, events.lastIndexOf(']')));
    }
  });

  it('goes out of a definition as it stands there, and is shown so', async () => {
    const constant = '{"id":9007199254740993,"price":10.00,"far":-1e400}';
    const json = `{"root":{"type":"step","name":"only","url":"${target}/second","input":${constant}}}`;
    const yaml = `root:\n  type: step\n  name: only\n  url: ${target}/second\n  input: ${constant.replaceAll(':', ': ')}\n`;
    for (const [type, text] of [
      ['application/json', json],
      ['application/yaml', yaml],
    ] as const) {
      const name = type.replace('/', '-');
      expect((await call('PUT', `/v1/workflows/${name}`, text, { 'content-type': type })).status).toBe(201);
      expect((await call('GET', `/v1/workflows/${name}`)).text).toContain(`"input":${constant}`);
      received.clear();
      const headers = { 'idempotency-key': name, prefer: 'wait=20' };
      expect((await call('POST', '/v1/runs', `{"workflow":"${name}"}`, headers)).status).toBe(200);
      expect(received.get('/second')).toBe(constant);
    }
    received.clear();
    const inline = await call('POST', '/v1/runs', `{"definition":${json}}`, {
      'idempotency-key': 'i',
      prefer: 'wait=20',
    });
    expect([inline.status, received.get('/second')]).toEqual([200, constant]);
  });
});
