import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { foldHistory, type HistoryState, type HistoryStep, type PayloadSource } from '#domain';
import { plans } from '../../domain/src/testing/plan-arbitrary.js';
import { ALL_WELL, happeningsArbitrary, SimulatedWorld } from '../../domain/src/testing/simulated-world.js';
import { encodeRunEvent } from './run-event-codec.js';

type Reference = { readonly revision: number; readonly pointer: string };
type Stored = Readonly<Record<string, any>>;

/**
 * What an auditor does with the stream as it is stored, and nothing else at hand: looks the pointer up in the data of that event,
 * and goes on from the references that stand on the way.
 */
const follow = (stream: readonly Stored[], { revision, pointer }: Reference): unknown => {
  let value: any = stream[revision];
  const [member, ...tokens] = pointer.split('/').slice(1);
  value = value?.[member ?? ''];
  if (member === 'outputRefs') {
    const [place, ...inner] = tokens;
    if (place === undefined) return value.map((ref: Reference | null) => ref && follow(stream, ref));
    const ref: Reference | null = value[place];
    return ref && follow(stream, { ...ref, pointer: [ref.pointer, ...inner].join('/') });
  }
  for (const token of tokens) value = value?.[token.replaceAll('~1', '/').replaceAll('~0', '~')];
  return value;
};

/** What a stored event says that a step is given, or that flows on: the payload itself, or what its references lead to. */
const told = (stream: readonly Stored[], revision: number, member: 'input' | 'output' | 'mapped'): unknown => {
  const stored = stream[revision] ?? {};
  const ref = stored[`${member}Ref`];
  if (ref !== undefined) return follow(stream, ref);
  return follow(stream, { revision, pointer: `${member}Refs` in stored ? `/${member}Refs` : `/${member}` });
};

const parsed = (source: PayloadSource | null | undefined): unknown => JSON.parse(source?.text ?? 'null');

describe('the references of a stream', () => {
  it('lead an auditor who has nothing but the stored events to every payload, joins included', () => {
    const seen = { inputRef: 0, input: 0, outputRef: 0, output: 0, outputRefs: 0, joinRef: 0 };
    const holds = fc.property(plans, happeningsArbitrary(), (plan, happenings) => {
      const world = new SimulatedWorld(plan, ALL_WELL);
      world.start();
      for (const happening of happenings) world.happen(happening);
      world.finish();
      const events = world.history.map(({ event }) => event);
      const stream: readonly Stored[] = events.map((event) => JSON.parse(encodeRunEvent(event).data));
      let history: HistoryState | null = null;
      events.forEach((event, revision) => {
        history = foldHistory(history, event, '2026-01-01T00:00:00.000Z');
        const step: HistoryStep | undefined = 'step' in event ? history?.steps.get(event.step) : undefined;
        if (event.type === 'StepEntered') expect(told(stream, revision, 'input')).toEqual(parsed(step?.input));
        if (event.type === 'StepCompleted') expect(told(stream, revision, 'output')).toEqual(parsed(step?.output));
        if (event.type === 'RunCompleted')
          expect(told(stream, revision, 'mapped' in event && event.mapped !== null ? 'mapped' : 'output')).toEqual(
            parsed(history?.output),
          );
        for (const name of Object.keys(seen) as (keyof typeof seen)[])
          if (stream[revision]?.[name] !== undefined) seen[name] += 1;
        if (JSON.stringify(stream[revision]).includes('"pointer":"/outputRefs"')) seen.joinRef += 1;
      });
      // Each payload stands in the stream once: what passes through is referred to.
      const texts = events.flatMap((event) => (event.type === 'AttemptSucceeded' ? [event.output] : []));
      for (const text of new Set(texts.filter((output) => output.length > 20)))
        expect(JSON.stringify(stream).split(JSON.stringify(JSON.parse(text)))).toHaveLength(
          1 + texts.filter((output) => output === text).length,
        );
    });
    fc.assert(holds, { numRuns: 300 });
    for (const [name, count] of Object.entries(seen)) expect([name, count > 20]).toEqual([name, true]);
  });
});
