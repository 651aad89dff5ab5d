import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import type { RunId } from '#engine';
import { startTestApi, type TestApi } from '../../testing/test-api.js';

let api: TestApi;
beforeAll(async () => {
  api = await startTestApi();
});
afterAll(() => api.stop());
beforeEach(() => {
  api.owner.held.clear();
  api.owner.outputs.clear();
});

const CUT = 'stepwell:cut';
const LARGE = `"${'é'.repeat(20_000)}"`;
const LARGE_CUT = { bytes: 40_002, begins: LARGE.slice(0, 16_384), sameAs: null };
const MIDDLE = `"${'m'.repeat(2_000)}"`;

let keys = 0;
const start = async (body: string, headers: Record<string, string> = { prefer: 'wait=20' }) => {
  const response = await fetch(`${api.url}/v1/runs`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', 'idempotency-key': `key-${++keys}`, ...headers },
    body,
  });
  return { status: response.status, headers: response.headers, text: await response.text() };
};
const idIn = (text: string): RunId => (JSON.parse(text) as { id: RunId }).id;
const get = async (path: string, headers: Record<string, string> = {}) => {
  const response = await fetch(`${api.url}${path}`, { headers });
  const text = await response.text();
  return {
    status: response.status,
    headers: response.headers,
    text,
    json: text === '' ? null : (JSON.parse(text) as any),
  };
};
const welcome = (input: string): string => `{"workflow":"welcome","input":${input},"variables":{"v":${input}}}`;

describe('a run with large payloads', () => {
  it('is shown with those of its steps cut, each with its size and where the whole is', async () => {
    api.owner.outputs.set('create-user', LARGE);
    api.owner.outputs.set('parallel1.email', MIDDLE);
    const { status, text } = await start(welcome('1'));
    const run = JSON.parse(text) as any;
    expect([status, run.status]).toEqual([200, 'completed']);
    const whole = `/v1/runs/${run.id}/payloads/3?pointer=/output`;
    expect(run.steps[0].output).toEqual({ [CUT]: { ...LARGE_CUT, whole } });
    const sameAs = { step: 'create-user', member: 'output' };
    const passedOn = { [CUT]: { bytes: 40_002, begins: null, sameAs, whole } };
    expect(run.steps[1].input).toEqual(passedOn);
    expect(run.steps[1].steps.map((step: any) => step.input)).toEqual([passedOn, passedOn]);
    expect(run.steps[1].steps[0].output).toBe(JSON.parse(MIDDLE));
    expect(run.output).toEqual([JSON.parse(MIDDLE), { ok: true }]);
    expect(run.steps[1].output).toEqual({
      [CUT]: {
        ...{ bytes: 2_016, begins: null, sameAs: { step: null, member: 'output' } },
        whole: expect.stringMatching(/payloads\/\d+\?pointer=\/outputRefs$/),
      },
    });
    expect((await get(`/v1/runs/${run.id}`)).text).toBe(text);
  });

  it('shows the payloads of one step whole where that is asked for', async () => {
    api.owner.outputs.set('create-user', LARGE);
    const id = idIn((await start(welcome(MIDDLE))).text);
    const { json } = await get(`/v1/runs/${id}/steps/create-user`);
    expect([json.input, json.output]).toEqual([JSON.parse(MIDDLE), JSON.parse(LARGE)]);
    const outer = (await get(`/v1/runs/${id}/steps/parallel1`)).json;
    expect(outer.input).toBe(JSON.parse(LARGE));
    expect(outer.steps[0].input[CUT].sameAs).toEqual({ step: 'parallel1', member: 'input' });
  });

  it('is shown with its own payloads cut as well, and its output whole to who has waited for it', async () => {
    api.owner.outputs.set('parallel1.email', LARGE);
    const large = JSON.parse(LARGE);
    const { text } = await start(welcome(LARGE));
    const waited = JSON.parse(text) as any;
    const { json } = await get(`/v1/runs/${waited.id}`);
    expect(waited.output).toEqual([large, { ok: true }]);
    expect(json.output).toEqual({
      [CUT]: { bytes: 40_016, begins: `[${LARGE_CUT.begins.slice(0, -1)}`, sameAs: null, whole: expect.any(String) },
    });
    for (const run of [waited, json]) {
      const { id, input, variables, steps } = run;
      const at = `/v1/runs/${id}/payloads/0?pointer=`;
      expect(input).toEqual({ [CUT]: { ...LARGE_CUT, whole: `${at}/input` } });
      const begins = `{"v":${LARGE_CUT.begins.slice(0, -5)}`;
      expect(variables).toEqual({ [CUT]: { bytes: 40_008, begins, sameAs: null, whole: `${at}/variables` } });
      expect(steps[0].input[CUT].sameAs).toEqual({ step: null, member: 'input' });
    }
  });

  it('gives the whole of each payload at the address that its cut says, number by number', async () => {
    const number = '12345678901234567890.10';
    const output = `[${number},"${'x'.repeat(17_000)}"]`;
    for (const key of ['create-user', 'parallel1.email']) api.owner.outputs.set(key, output);
    const input = `{"n":${number},"x":"${'y'.repeat(17_000)}"}`;
    const id = idIn((await start(welcome(input))).text);
    const run = (await get(`/v1/runs/${id}`)).json;
    const wholeOf = async (shown: any): Promise<string> => (await get(shown[CUT].whole)).text;
    expect(await wholeOf(run.input)).toBe(input);
    expect(await wholeOf(run.variables)).toBe(`{"v":${input}}`);
    expect(await wholeOf(run.steps[0].output)).toBe(output);
    expect(await wholeOf(run.steps[1].steps[0].input)).toBe(output);
    // Made of what the branches gave.
    expect(await wholeOf(run.output)).toBe(`[${output},{"ok":true}]`);
  });

  it('gives what a pointer leads to inside of a payload, through the references of a join too', async () => {
    api.owner.outputs.set('parallel1.email', '{"to/cc":[1.0,{"n":1e400}]}');
    const id = idIn((await start(welcome('[7,{"a":[]}]'))).text);
    const joined = (await get(`/v1/runs/${id}/events`)).json.items.find((event: any) => event.data.outputRefs);
    const at = async (revision: number, pointer: string) =>
      (await get(`/v1/runs/${id}/payloads/${revision}?pointer=${pointer}`)).text;
    expect(await at(0, '/input/1/a')).toBe('[]');
    expect(await at(joined.revision, '/outputRefs')).toBe('[{"to/cc":[1.0,{"n":1e400}]},{"ok":true}]');
    expect(await at(joined.revision, '/outputRefs/0')).toBe('{"to/cc":[1.0,{"n":1e400}]}');
    expect(await at(joined.revision, '/outputRefs/0/to~1cc/1/n')).toBe('1e400');
    expect(await at(joined.revision, '/outputRefs/1/ok')).toBe('true');
    for (const none of ['/output', '/outputRefs/2', '/outputRefs/01', '/outputRefs/0/no', '/outputRefs/'])
      expect(JSON.parse(await at(joined.revision, none))).toMatchObject({ code: 'payload-not-found' });
  });

  it('gives the whole of a payload that the definition has', async () => {
    const input = `"${'x'.repeat(20_000)}"`;
    const definition = `{"root":{"type":"pass","name":"p","input":${input}}}`;
    const { steps } = JSON.parse((await start(`{"definition":${definition}}`)).text) as any;
    expect((await get(steps[0].input[CUT].whole)).text).toBe(input);
  });

  it.each([
    ['99', '/output'],
    ['0', '/output'],
    ['0', '/input/1'],
    ['0', '/input/0/x'],
    ['0', '/inputs'],
    ['1', '/input'],
    ['one', '/input'],
  ])('has no payload at revision %s, %s', async (revision, pointer) => {
    const id = idIn((await start(welcome('[1]'))).text);
    const { json } = await get(`/v1/runs/${id}/payloads/${revision}?pointer=${pointer}`);
    expect([json.status, json.code]).toEqual([404, 'payload-not-found']);
  });

  it('has no payload in the slim view, whatever their size', async () => {
    api.owner.outputs.set('create-user', LARGE);
    const id = idIn((await start(welcome(LARGE))).text);
    const { text, json } = await get(`/v1/runs/${id}?view=slim`);
    expect(text.length).toBeLessThan(5_000);
    expect([json.input, json.output, json.variables]).toEqual([null, null, null]);
    const steps = [...json.steps, ...json.steps[1].steps];
    expect(steps.map(({ input, output }: any) => [input, output])).toEqual(Array(4).fill([null, null]));
    expect(json.steps[0]).toMatchObject({ key: 'create-user', status: 'completed', attempts: [{ number: 1 }] });
  });

  it('says of a payload that looks like a cut that it is one, so that nobody takes it for ours', async () => {
    for (const [output, isCut] of [
      [`{"${CUT}":{"bytes":1,"begins":null,"sameAs":null}}`, true],
      ['{"\\u0073tepwell:cut":1}', true],
      ['{"stepwell":1}', false],
      ['{"s":1}', false],
      ['"stepwell:cut"', false],
      ['[{"stepwell:cut":1}]', false],
    ] as const) {
      api.owner.outputs.set('create-user', output);
      const { steps } = JSON.parse((await start(welcome('1'))).text) as any;
      const shown = isCut
        ? { [CUT]: { bytes: output.length, begins: output, sameAs: null, whole: expect.any(String) } }
        : JSON.parse(output);
      expect(steps[0].output).toEqual(shown);
    }
  });

  it('shows what a step gave beside what flows on', async () => {
    const steps = [
      { type: 'pass', name: 'a', output: JSON.parse(LARGE) },
      { type: 'pass', name: 'b' },
    ];
    const definition = { root: { type: 'sequence', steps }, output: 2 };
    const run = JSON.parse((await start(JSON.stringify({ definition, input: 1 }))).text) as any;
    const whole = `/v1/runs/${run.id}/payloads/2?pointer=/mapped`;
    expect(run.steps[0]).toMatchObject({ input: 1, output: 1, mapped: { [CUT]: { ...LARGE_CUT, whole } } });
    const again = { [CUT]: { bytes: 40_002, begins: null, sameAs: { step: 'a', member: 'mapped' }, whole } };
    expect(run.steps[1]).toMatchObject({ input: again, output: again, mapped: again });
    expect([run.steps.length, run.output]).toEqual([2, 2]);
    expect((await get(whole)).text).toBe(LARGE);
  });

  it('shows 1,500 passes over one payload without writing it 3,000 times', async () => {
    const input = `"${'x'.repeat(250_000)}"`;
    const steps = Array.from({ length: 1_500 }, (_, index) => ({ type: 'pass', name: `p${index}` }));
    const definition = JSON.stringify({ root: { type: 'sequence', name: 'all', steps } });
    const { status, text } = await start(`{"definition":${definition},"input":${input}}`);
    expect([status, (JSON.parse(text) as any).status]).toEqual([200, 'completed']);
    expect(text.length).toBeLessThan(2_000_000);
    const { json } = await get(`/v1/runs/${idIn(text)}`);
    expect(json.steps).toEqual((JSON.parse(text) as any).steps);
  });
});

describe('the ETag of a run', () => {
  it('changes with the run, is another for each view, and spares who has it the document', async () => {
    api.owner.held.add('create-user');
    const id = idIn((await start(welcome('1'), {})).text);
    const first = await get(`/v1/runs/${id}`);
    const etag = first.headers.get('etag')!;
    expect(etag).toMatch(/^"[\x21\x23-\x7e]+"$/);
    const again = await get(`/v1/runs/${id}`, { 'if-none-match': `"x", W/${etag}` });
    expect([again.status, again.text, again.headers.get('etag')]).toEqual([304, '', etag]);
    expect(again.headers.get('stepwell-position')).toBe(first.headers.get('stepwell-position'));
    expect((await get(`/v1/runs/${id}?view=slim`, { 'if-none-match': etag })).status).toBe(200);
    await fetch(`${api.url}/v1/runs/${id}/cancel`, { method: 'POST' });
    const after = await get(`/v1/runs/${id}`, { 'if-none-match': etag });
    expect([after.status, after.json.status]).toEqual([200, 'cancelled']);
    expect(after.headers.get('etag')).not.toBe(etag);
  });
});
