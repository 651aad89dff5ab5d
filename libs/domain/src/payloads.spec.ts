import { describe, expect, it } from '@jest/globals';
import type { StepCompleted } from './events.js';
import { NULL_TEXT, payloadOf, type PayloadRef } from './payload.js';
import { inputOf, outputOf, sourceOf, startPayloads } from './payloads.js';
import type { PayloadSource } from './run.js';
import { started } from './testing/run-facts.js';
import { noted, NotedMap, Undo } from './undo.js';

const at = (revision: number, pointer: string): PayloadRef => ({ revision, pointer });

/** A run that was given an input and variables, and two outputs after that. */
const folded = () => {
  const fold = { revision: 0, payloads: new NotedMap<number, readonly PayloadSource[]>() };
  const input = payloadOf('{"items":[1.0,{"a/b":"x"},[]]}');
  const variables = payloadOf('{"plan":"free","n":1e400}');
  const start = started();
  if (start.type !== 'RunStarted') throw new Error('a run starts');
  fold.payloads.set(0, startPayloads({ ...start, input, variables }));
  const put = (revision: number, output: StepCompleted['output']) =>
    outputOf(Object.assign(fold, { revision }), output);
  put(3, { value: payloadOf('{"id":7,"name":"é"}') });
  put(5, { value: payloadOf('[1.50,2]') });
  return { ...fold, put };
};

describe('a reference', () => {
  it('names any member that is a payload, of an event that stores several too', () => {
    const { payloads } = folded();
    expect(sourceOf(payloads, at(0, '/input')).text).toBe('{"items":[1.0,{"a/b":"x"},[]]}');
    expect(sourceOf(payloads, at(0, '/variables')).text).toBe('{"plan":"free","n":1e400}');
    expect(sourceOf(payloads, at(3, '/output')).text).toBe('{"id":7,"name":"é"}');
  });

  it('leads into a payload that is stored once, and no number of it changes', () => {
    const { payloads } = folded();
    const texts = ['/input/items/0', '/input/items/1/a~1b', '/variables/n'].map(
      (pointer) => sourceOf(payloads, at(0, pointer)).text,
    );
    expect(texts).toEqual(['1.0', '"x"', '1e400']);
    expect(sourceOf(payloads, at(5, '/output/0'))).toEqual({ ...at(5, '/output/0'), text: '1.50' });
  });

  it('leads through the references that a join stores, to all of them, to one and into it', () => {
    const { payloads, put } = folded();
    const all = [at(5, '/output/0'), null, at(3, '/output')];
    expect(put(8, { all })).toEqual({ ...at(8, '/outputRefs'), text: '[1.50,null,{"id":7,"name":"é"}]' });
    put(9, { all: [at(8, '/outputRefs/2'), at(8, '/outputRefs')] });
    const texts = ['/outputRefs/0/name', '/outputRefs/1/0', '/outputRefs/1/1', '/outputRefs/1/2/id'].map(
      (pointer) => sourceOf(payloads, at(9, pointer)).text,
    );
    expect(texts).toEqual(['"é"', '1.50', 'null', '7']);
  });

  it('is followed to the one object that is kept, when nothing needs cutting', () => {
    const { payloads } = folded();
    expect(sourceOf(payloads, at(3, '/output'))).toBe(sourceOf(payloads, at(3, '/output')));
  });

  it.each([
    [99, '/output'],
    [3, '/input'],
    [3, '/out'],
    [3, '/outputs'],
    [3, '/output/nobody'],
    [3, '/output/name/0'],
    [3, 'output'],
    [3, ''],
    [5, '/output/2'],
    [0, '/output'],
  ])('to what is not there, revision %i, %s, stops by name instead of being null', (revision, pointer) => {
    const { payloads, put } = folded();
    const named = `the payload ${pointer} of revision ${revision} is missing`;
    expect(() => sourceOf(payloads, at(revision, pointer))).toThrow(named);
    expect(() => put(8, { all: [at(3, '/output'), at(revision, pointer)] })).toThrow(named);
    expect(() => inputOf({ payloads, revision: 8 }, at(revision, pointer))).toThrow(named);
  });

  it('leads nowhere again once what stores it was taken back', () => {
    const { payloads } = folded();
    const undo = new Undo();
    noted(undo, () => inputOf({ payloads, revision: 8 }, { value: NULL_TEXT }));
    expect(sourceOf(payloads, at(8, '/input')).text).toBe('null');
    undo.takeBack();
    expect(() => sourceOf(payloads, at(8, '/input'))).toThrow('is missing');
  });
});
