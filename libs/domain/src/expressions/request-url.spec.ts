import { describe, expect, it } from '@jest/globals';
import { compileTree } from '../definition/compile-tree.js';
import { endOf, play, Refusal } from '../testing/play.js';

const INPUT = {
  id: 7,
  name: 'a b/c?d#e',
  up: '..',
  none: null,
  list: [1, 'two', null],
  object: { a: 1 },
  dot: '.',
  empty: '',
};

/** What is sent for a step, or the error that it fails with. */
const sent = (
  step: object,
  { target = 'http://app:4000/base', input = INPUT }: { target?: string | null; input?: unknown } = {},
) => {
  const played = play(
    { ...(target !== null && { target }), root: { type: 'step', name: 's', ...step } },
    { input, answer: () => 'done' },
  );
  const request = played.events.find((event) => event.type === 'ValuesComputed')?.request?.url;
  return played.run.status === 'completed' ? request : endOf(played);
};

describe('a url that is computed', () => {
  it.each([
    ['/orders/{% $input.id %}', 'http://app:4000/base/orders/7'],
    ['orders/{% $input.id %}/lines', 'http://app:4000/base/orders/7/lines'],
    ['/a-{% $input.id %}-{% $input.id + 1 %}', 'http://app:4000/base/a-7-8'],
    ['/users/{% $input.name %}', 'http://app:4000/base/users/a%20b%2Fc%3Fd%23e'],
    ['/find?q={% $input.name %}&z=1', 'http://app:4000/base/find?q=a%20b%2Fc%3Fd%23e&z=1'],
    ['https://other.test/x/{% $input.object %}', 'https://other.test/x/%7B%22a%22%3A1%7D'],
    ['{% "/whole/" & $input.id & "?a=b" %}', 'http://app:4000/base/whole/7?a=b'],
    ['{% "https://other.test/" & $input.id %}', 'https://other.test/7'],
  ])('%s leads to %s', (url, made) => {
    expect(sent({ url })).toBe(made);
  });

  it.each([
    ['nothing', '/orders/{% $input.missing %}', 'there is nothing in the url'],
    ['null', '/orders/{% $input.none %}', 'there is nothing in the url'],
    ['a way up', '/orders/{% $input.up %}/lines', 'whose path is another'],
    ['a way nowhere', '/orders/{% $input.dot %}', 'whose path is another'],
    ['an empty name', '/orders/{% $input.empty %}/lines', 'whose path is another'],
    ['a whole url that is none', '{% $input.name %}', 'may not hold spaces'],
    ['a whole url that is no text', '{% $input.id %}', 'is 7, and no text'],
    ['another scheme', '{% "file:///etc/passwd" %}', 'is not allowed'],
    ['credentials', '{% "http://a:b@c/" %}', 'may not hold credentials'],
    ['a way out of its target', '{% "../x" %}', 'leaves the target'],
    ['more than is sent', '/x?y={% $input %}', 'more than 8192 characters'],
  ])('with %s fails its step by name, and nothing is sent', (_, url, why) => {
    const input = url.includes('$input %}') ? 'x'.repeat(9_000) : INPUT;
    expect(sent({ url }, { input })).toEqual({
      failed: 'Stepwell.InvalidRequest',
      cause: expect.stringContaining(why),
    });
  });

  it('has the members of its query behind what it has: lists repeat, null and nothing are left out', () => {
    const query = {
      list: '{% $input.list %}',
      none: '{% $input.none %}',
      missing: '{% $input.missing %}',
      'a b': 'no {% $input.id %}',
      fixed: true,
      object: { id: '{% $input.id %}' },
    };
    const members = 'list=1&list=two&list=&a%20b=no%207&fixed=true&object=%7B%22id%22%3A7%7D';
    expect(sent({ url: '/find', query })).toBe(`http://app:4000/base/find?${members}`);
    expect(sent({ url: '/find?x={% $input.id %}', query })).toBe(`http://app:4000/base/find?x=7&${members}`);
  });

  it('is computed of what the step was given, once it has begun', () => {
    const played = play(
      { target: 'http://app', root: { type: 'step', name: 's', input: { n: '{% $input %}' }, url: '/{% $input.n %}' } },
      { input: 5, answer: () => new Refusal('No') },
    );
    expect(played.events.map(({ type }) => type)).toEqual([
      'RunStarted',
      'StepEntered',
      'ValuesComputed',
      'AttemptStarted',
      'AttemptFailed',
      'StepFailed',
      'RunFailed',
    ]);
    expect(played.history.steps.get('s')?.request?.url).toBe('http://app/5');
  });

  it.each([
    ['a host', { url: 'http://{% $input %}/x' }, '/root/url'],
    ['a part of a host', { url: 'http://a.{% $input %}' }, '/root/url'],
    ['a relative one without a target', { url: '/x/{% $input %}' }, '/root/url'],
    ['an expression that is none', { url: 'http://a/{% 1 + %}' }, '/root/url'],
    ['a query that is none', { url: 'http://a/', query: [] }, '/root/query'],
    ['a member of it that is none', { url: 'http://a/', query: { a: '{% $sum(1) %}' } }, '/root/query/a'],
  ])('%s is found when it is published', (_, step, pointer) => {
    expect(compileTree({ root: { type: 'step', ...step } }).findings.map((finding) => finding.pointer)).toEqual([
      pointer,
    ]);
  });
});
