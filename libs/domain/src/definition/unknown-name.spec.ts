import { describe, expect, it } from '@jest/globals';
import { compileTree } from './compile-tree.js';

const findingsOf = (output: unknown) => compileTree({ root: { type: 'pass', output } }).findings;

describe('a name in an expression', () => {
  it.each([
    ['{% $inptu.id %}', '{% $input.id %}'],
    ['{% $inputs & $inputs2 %}', '{% $input & $inputs2 %}'],
    ['id {% $input.id %} of {% $Variables.plan %}', 'id {% $input.id %} of {% $variables.plan %}'],
  ])('that nothing stands for is a warning with what was probably meant: %s', (output, suggestion) => {
    const [warning] = findingsOf({ a: output });
    expect(warning).toMatchObject({ severity: 'warning', pointer: '/root/output/a', suggestion });
  });

  it('that is like none is a warning without a guess, and what was written is published', () => {
    const { findings, plan } = compileTree({ root: { type: 'pass', output: '{% $customer.id %}' } });
    expect(findings).toEqual([
      {
        severity: 'warning',
        pointer: '/root/output',
        detail: expect.stringContaining('Nothing is named "$customer", so it gives nothing'),
        suggestion: null,
      },
    ]);
    expect(plan).not.toBeNull();
  });

  it.each([
    ['{% $input.id %}'],
    ['{% ($v := $input; $v.a ?? $$.b) %}'],
    ['{% $input[$.a = 1] %}'],
    ["{% { 'customer': $run.id } %}"],
    ["{% '$customer' %}"],
  ])('that is known or bound is none: %s', (output) => {
    expect(findingsOf(output)).toEqual([]);
  });
});
