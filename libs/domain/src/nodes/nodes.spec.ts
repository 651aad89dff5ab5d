import { describe, expect, it } from '@jest/globals';
import { compileTree } from '../definition/compile-tree.js';
import { endOf, play, Refusal } from '../testing/play.js';
import { T0 } from '../testing/run-facts.js';

const step = (name: string, rest: object = {}) => ({ type: 'step', name, url: `/${name}`, ...rest });
const rooted = (root: object, rest: object = {}) => ({ root, ...rest });

describe('a map', () => {
  const each = step('charge');

  it('runs the same for each item, so many at a time, and gives the outputs in their order', () => {
    const played = play(rooted({ type: 'map', name: 'items', concurrency: 2, each }), {
      input: [1, 2, 3, 4],
      answer: (_key, input) => Number(input) * 10,
    });
    expect(endOf(played)).toEqual([10, 20, 30, 40]);
    expect(played.keys).toEqual(['items', 'items.0.charge', 'items.1.charge', 'items.2.charge', 'items.3.charge']);
    expect(played.inFlightMax).toBe(2);
  });

  it('stores its items once, and not again where they stand already', () => {
    const { events } = play(rooted({ type: 'map', name: 'items', each }), { input: [1, 2] });
    expect(events.find(({ type }) => type === 'ValuesComputed')).toMatchObject({
      items: { revision: 0, pointer: '/input' },
      slots: { from: 0, count: 2, window: 2 },
    });
    expect(events.filter(({ type }) => type === 'StepEntered').slice(1)).toMatchObject([
      { step: 'items.0.charge', parent: 'items', slot: 0, input: { revision: 0, pointer: '/input/0' } },
      { step: 'items.1.charge', parent: 'items', slot: 1, input: { revision: 0, pointer: '/input/1' } },
    ]);
  });

  it.each([
    ['an array', '{% $input.list %}', { list: [1, 2] }, [1, 2]],
    [
      'one value of a list, which JSONata unwraps',
      '{% $input.list[n > 1] %}',
      { list: [{ n: 1 }, { n: 2 }] },
      [{ n: 2 }],
    ],
    ['nothing', '{% $input.list %}', {}, []],
    ['null', '{% $input.list %}', { list: null }, []],
    ['a value that is no array', '{% $input.list %}', { list: 'x' }, ['x']],
    ['a constant', [7, 8], null, [7, 8]],
    ['an array with expressions', ['{% $input %}', 2], 1, [1, 2]],
  ])('goes over %s', (_, over, input, items) => {
    expect(endOf(play(rooted({ type: 'map', over, each }), { input }))).toEqual(items);
  });

  it('lets its items see which they are, the nearest map first', () => {
    const inner = {
      type: 'map',
      name: 'in',
      over: [1, 2],
      each: { type: 'pass', output: '{% { "i": $index, "item": $item } %}' },
    };
    expect(endOf(play(rooted({ type: 'map', over: ['a'], each: inner })))).toEqual([
      [
        { i: 0, item: 1 },
        { i: 1, item: 2 },
      ],
    ]);
    const after = { type: 'sequence', steps: [inner, { type: 'pass', output: '{% [$index, $item] %}' }] };
    expect(endOf(play(rooted({ type: 'map', over: ['a', 'b'], each: after })))).toEqual([
      [0, 'a'],
      [1, 'b'],
    ]);
  });

  it('fails with the first item that does, and cancels the others; or goes on, and gives null for it', () => {
    const answer = (key: string, input: unknown) => (key === 'items.1.charge' ? new Refusal('Sold.Out') : input);
    const map = (onError: string) => rooted({ type: 'map', name: 'items', concurrency: 3, each, onError });
    expect(endOf(play(map('fail-fast'), { input: [1, 2, 3], answer }))).toEqual({ failed: 'Sold.Out', cause: null });
    expect(endOf(play(map('continue'), { input: [1, 2, 3], answer }))).toEqual([1, null, 3]);
  });

  it.each([
    ['last', [1, 2, 3], 3],
    ['none', [1, 2, 3], null],
    ['last', [], null],
    ['all', [], []],
  ])('reduces to %s of %j', (reduce, input, output) => {
    expect(endOf(play(rooted({ type: 'map', reduce, each: { type: 'pass' } }), { input }))).toEqual(output);
  });

  it('of more items than the limit fails by name, before any of them begins', () => {
    const played = play(rooted({ type: 'map', each }), { input: [1, 2, 3], limits: { itemsMax: 2 } });
    expect(endOf(played)).toEqual({ failed: 'Stepwell.TooManyItems', cause: 'the map has 3 items, the limit is 2' });
    expect(played.keys).toEqual(['map1']);
  });

  it('may be where a run begins, and nothing inside of it', () => {
    const map = { type: 'map', name: 'items', over: '{% $input %}', each };
    const definition = rooted({ type: 'sequence', steps: [step('before'), map] });
    expect(play(definition, { input: [1], fromStep: 'items' }).keys).toEqual(['items', 'items.0.charge']);
    for (const fromStep of ['items.charge', 'items.0.charge'])
      expect(() => play(definition, { input: [1], fromStep })).toThrow('unknown-step');
  });

  it('keeps to its window over ten thousand items, each folded and decided at the same cost', () => {
    const count = 10_000;
    const two = { type: 'sequence', steps: [step('a'), step('b')] };
    const played = play(rooted({ type: 'map', concurrency: 20, reduce: 'none', each: two }), {
      input: Array.from({ length: count }, (_, at) => at),
    });
    expect([endOf(played), played.inFlightMax, played.keys.length]).toEqual([null, 20, 1 + 2 * count]);
  }, 60_000);
});

describe('a choice', () => {
  const ways = [
    { when: '{% $input.kind = "a" %}', then: { type: 'pass', name: 'a', output: 'A' } },
    {
      when: '{% $input.size > 3 %}',
      then: {
        type: 'sequence',
        steps: [
          { type: 'pass', name: 'b', output: 'B' },
          { type: 'pass', name: 'c' },
        ],
      },
    },
  ];

  it.each([
    [{ kind: 'a', size: 9 }, 'A', ['choice1', 'choice1.a']],
    [{ size: 9 }, 'B', ['choice1', 'choice1.b', 'choice1.c']],
    [{ size: 1 }, 'O', ['choice1', 'choice1.o']],
  ])('takes the way of the first rule that holds: %j', (input, output, keys) => {
    const choice = { type: 'choice', rules: ways, otherwise: { type: 'pass', name: 'o', output: 'O' } };
    const played = play(rooted(choice), { input });
    expect([endOf(played), played.keys]).toEqual([output, keys]);
  });

  it('without a rule that holds hands its input on, and its own output lies over it', () => {
    expect(endOf(play(rooted({ type: 'choice', rules: ways }), { input: { size: 1 } }))).toEqual({ size: 1 });
    const mapped = { type: 'choice', rules: ways, output: '{% $output.size %}' };
    expect(endOf(play(rooted(mapped), { input: { size: 1 } }))).toBe(1);
  });

  it('asks no rule behind the one that holds', () => {
    const rules = [
      { when: '{% true %}', then: { type: 'pass', output: 1 } },
      { when: '{% 1 + "x" %}', then: { type: 'pass' } },
    ];
    expect(endOf(play(rooted({ type: 'choice', rules })))).toBe(1);
    expect(endOf(play(rooted({ type: 'choice', rules: [...rules].reverse() })))).toMatchObject({
      failed: 'Stepwell.ExpressionFailed',
    });
  });

  it('is asked about what it was given, and begins at a step inside of one way when that is asked for', () => {
    const choice = { type: 'choice', rules: ways, input: { size: 9 } };
    expect(endOf(play(rooted(choice), { input: { kind: 'a' } }))).toBe('B');
    const from = play(rooted({ type: 'choice', rules: ways }), { input: { kind: 'a' }, fromStep: 'choice1.c' });
    expect([endOf(from), from.keys]).toEqual([{ kind: 'a' }, ['choice1', 'choice1.c']]);
  });
});

describe('a repeat', () => {
  const poll = { type: 'repeat', name: 'loop', do: step('poll'), until: '{% $output.done %}' };

  it('enters its step anew each round, given what the round before gave, until that holds', () => {
    const played = play(rooted(poll), {
      input: { n: 0 },
      answer: (_key, input) => ({ n: (input as { n: number }).n + 1, done: (input as { n: number }).n === 2 }),
    });
    expect(endOf(played)).toEqual({ n: 3, done: true });
    expect(played.keys).toEqual(['loop', 'loop.poll', 'loop.poll~2', 'loop.poll~3']);
    expect(played.events.filter(({ type }) => type === 'SlotOpened')).toEqual([
      { type: 'SlotOpened', step: 'loop', slot: 1 },
      { type: 'SlotOpened', step: 'loop', slot: 2 },
    ]);
  });

  it('counts its rounds from 1, inside and where it is asked', () => {
    const loop = {
      type: 'repeat',
      do: { type: 'pass', output: '{% [$input, $round][] %}' },
      until: '{% $round >= 3 %}',
    };
    expect(endOf(play(rooted(loop), { input: [] }))).toEqual([1, 2, 3]);
  });

  it('fails by name after so many rounds', () => {
    const played = play(rooted({ ...poll, atMost: 2 }));
    expect(endOf(played)).toEqual({
      failed: 'Stepwell.TooManyRounds',
      cause: 'it did not come to its end in 2 rounds',
    });
    expect(played.keys).toEqual(['loop', 'loop.poll', 'loop.poll~2']);
  });

  it('ends with a succeed inside of it, and is not asked then', () => {
    const rules = [{ when: '{% $round = 2 %}', then: { type: 'succeed', output: 'enough' } }];
    const body = { type: 'sequence', steps: [{ type: 'choice', rules }, { type: 'pass' }] };
    const root = {
      type: 'sequence',
      steps: [
        { type: 'repeat', do: body, until: '{% $round = 5 %}' },
        { type: 'pass', output: 'never' },
      ],
    };
    expect(endOf(play(rooted(root), { input: 1 }))).toBe('enough');
  });

  it('of ten thousand rounds costs each the same, and is bounded by the steps of the run', () => {
    const loop = { type: 'repeat', do: { type: 'pass' }, until: '{% false %}', atMost: 100_000 };
    expect(endOf(play(rooted(loop), { limits: { stepsMax: 5_000 } }))).toMatchObject({
      failed: 'Stepwell.TooManySteps',
    });
  });
});

describe('a wait', () => {
  it.each([
    ['seconds', { seconds: 1.5 }, 1_500],
    ['seconds that are computed', { seconds: '{% $input.s * 2 %}' }, 6_000],
    ['no time', { seconds: 0 }, 0],
    ['an instant', { until: '2026-01-01T00:00:09Z' }, 9_000],
    ['an instant of another zone', { until: '2026-01-01T01:00:09.5+01:00' }, 9_500],
    ['an instant that is computed', { until: '{% $input.at %}' }, 60_000],
    ['an instant that has passed', { until: '2020-01-01T00:00:00Z' }, 0],
  ])('lasts for %s, and hands on what it was given', (_, wait, lastsMs) => {
    const input = { s: 3, at: '2026-01-01T00:01:00Z' };
    const played = play(rooted({ type: 'wait', name: 'pause', ...wait }), { input });
    expect([endOf(played), played.endMs - T0]).toEqual([input, lastsMs]);
    expect(played.events.map(({ type }) => type)).toEqual([
      'RunStarted',
      'StepEntered',
      'ValuesComputed',
      'WaitEnded',
      'StepCompleted',
      'RunCompleted',
    ]);
  });

  it.each([
    ['no number', { seconds: '{% $input %}' }, 'x', 'Stepwell.InvalidWait'],
    ['a negative number', { seconds: '{% 0 - 1 %}' }, null, 'Stepwell.InvalidWait'],
    ['nothing', { seconds: '{% $input.x %}' }, null, 'Stepwell.InvalidWait'],
    ['no instant', { until: '{% $input %}' }, 'tomorrow', 'Stepwell.InvalidWait'],
    ['a date that there is not', { until: '{% $input %}' }, '2026-13-45T00:00:00Z', 'Stepwell.InvalidWait'],
    ['more than a year', { seconds: '{% $input %}' }, 1e9, 'Stepwell.WaitTooLong'],
    ['an instant past that', { until: '{% $input %}' }, '2099-01-01T00:00:00Z', 'Stepwell.WaitTooLong'],
  ])('of %s fails by name', (_, wait, input, error) => {
    expect(endOf(play(rooted({ type: 'wait', ...wait }), { input }))).toMatchObject({ failed: error });
  });

  it.each([
    ['neither', {}, ['/root']],
    ['both', { seconds: 1, until: '2026-01-01T00:00:09Z' }, ['/root']],
    ['a word', { seconds: 'soon' }, ['/root/seconds']],
    ['a date alone', { until: '2026-01-01' }, ['/root/until']],
  ])('with %s is found when it is published', (_, wait, places) => {
    const { findings } = compileTree(rooted({ type: 'wait', ...wait }));
    expect(findings.map(({ pointer }) => pointer)).toEqual(places);
  });

  it('is ended with the rest when a branch beside it fails', () => {
    const branches = [{ type: 'wait', name: 'long', seconds: 3_600 }, step('soon')];
    const played = play(rooted({ type: 'parallel', name: 'p', branches }), { answer: () => new Refusal('No.Way') });
    expect([endOf(played), played.endMs]).toEqual([{ failed: 'No.Way', cause: null }, T0]);
    expect(played.history.steps.get('p.long')?.status).toBe('cancelled');
  });
});

describe('what a node is given, and what flows on', () => {
  it.each([
    ['a lone expression', '{% $input.a %}', 1],
    ['an object', { id: '{% $input.a %}', list: ['{% $input.b %}', 'as it is'] }, { id: 1, list: ['two', 'as it is'] }],
    ['a text', 'order {% $input.a %} of {% $input.b %}', 'order 1 of two'],
    ['a text with nothing and null in it', '<{% $input.none %}{% null %}>', '<>'],
    ['a text with JSON in it', '{% $input %}!', '{"a":1,"b":"two"}!'],
    ['nothing', '{% $input.none %}', null],
    ['what the run was given', '{% $run.input.b & $run.workflow %}', 'twoorders'],
    ['variables', '{% $variables.plan %}', 'free'],
    ['member names, which are taken as they are', { '{% a %}': 1 }, { '{% a %}': 1 }],
  ])('may be %s', (_, value, made) => {
    const given = { input: { a: 1, b: 'two' }, variables: { plan: 'free' } };
    expect(endOf(play(rooted({ type: 'pass', input: value }), given))).toEqual(made);
    expect(endOf(play(rooted({ type: 'pass', output: value }), given))).toEqual(made);
    expect(endOf(play(rooted({ type: 'pass' }, { output: value }), given))).toEqual(made);
  });

  it('is computed of the answer for a step, which is recorded first', () => {
    const { events, run } = play(
      rooted(step('price', { input: { n: '{% $input * 2 %}' }, output: '{% $output.total & " for " & $input.n %}' })),
      {
        input: 4,
        answer: (_key, input) => ({ total: (input as { n: number }).n + 1 }),
      },
    );
    expect(run.output).toBe('"9 for 8"');
    expect(events.slice(1)).toMatchObject([
      { type: 'StepEntered', input: { value: '{"n":8}' } },
      { type: 'AttemptStarted' },
      { type: 'AttemptSucceeded', output: '{"total":9}' },
      { type: 'StepCompleted', output: { revision: 3, pointer: '/output' }, mapped: '"9 for 8"' },
      { type: 'RunCompleted', output: { revision: 4, pointer: '/mapped' } },
    ]);
  });

  it('fails its step by name, which is there with what flowed in', () => {
    const root = {
      type: 'sequence',
      steps: [{ type: 'pass', name: 'a', output: 5 }, step('b', { input: '{% $input + "x" %}' })],
    };
    const { run, history, events } = play(rooted(root));
    expect([run.error?.name, history.steps.get('b')?.status, history.steps.get('b')?.input.text]).toEqual([
      'Stepwell.ExpressionFailed',
      'failed',
      '5',
    ]);
    expect(events.some(({ type }) => type === 'AttemptStarted')).toBe(false);
  });

  it('fails its step by name when it is larger than a payload', () => {
    const output = '{% [$input, $input] %}';
    const played = play(rooted({ type: 'pass', output }), { input: 'x'.repeat(60), limits: { payloadMaxBytes: 100 } });
    expect(endOf(played)).toEqual({
      failed: 'Stepwell.PayloadTooLarge',
      cause: 'what was computed takes more than 100 bytes',
    });
  });
});
