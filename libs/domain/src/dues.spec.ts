import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { dropDue, DUE_KINDS, dueMs, dueRetries, firstLate, nextDueMs, noDues, setDue, type DueKind } from './dues.js';
import { duesOf, faultOf } from './testing/dues-facts.js';
import { noted, Undo } from './undo.js';

type Change = { readonly kind: DueKind; readonly step: string; readonly atMs: number | null };
const change: fc.Arbitrary<Change> = fc.record({
  kind: fc.constantFrom(...DUE_KINDS),
  step: fc.constantFrom('a', 'b', 'c', 'd', 'e'),
  atMs: fc.option(fc.nat(50), { freq: 3 }),
});
/** Changes made in one go; some are taken back. */
const batches = fc.array(fc.record({ changes: fc.array(change), isTakenBack: fc.boolean() }), { maxLength: 8 });

const apply = (dues: ReturnType<typeof noDues>, { kind, step, atMs }: Change): void =>
  atMs === null ? dropDue(dues, kind, step) : setDue(dues, kind, step, atMs);

describe('the dues of a run', () => {
  it('say what is due next as one who looks at all of them, also when some of it was taken back', () => {
    const holds = fc.property(batches, (all) => {
      const dues = noDues();
      const known = new Map<string, Change & { readonly atMs: number }>();
      for (const { changes, isTakenBack } of all) {
        const before = duesOf(dues);
        const undo = new Undo();
        noted(undo, () => changes.forEach((each) => apply(dues, each)));
        if (isTakenBack) undo.takeBack();
        if (isTakenBack) expect(duesOf(dues)).toEqual(before);
        for (const { kind, step, atMs } of isTakenBack ? [] : changes)
          if (atMs === null) known.delete(`${kind} ${step}`);
          else known.set(`${kind} ${step}`, { kind, step, atMs });
        expect(faultOf(dues)).toBeNull();
        const listed = [...known.values()];
        expect(dues.byKey.size).toBe(listed.length);
        for (const { kind, step, atMs } of listed) expect(dueMs(dues, kind, step)).toBe(atMs);
        for (const nowMs of [0, 20, 49, 60]) {
          const waiting = listed.filter(({ kind, atMs }) => kind === 'retry' && atMs <= nowMs);
          const rest = listed.filter((due) => !waiting.includes(due));
          const late = rest.filter(({ kind, atMs }) => kind !== 'retry' && atMs <= nowMs);
          expect(nextDueMs(dues, nowMs)).toBe(Math.min(...rest.map(({ atMs }) => atMs)));
          expect([...dueRetries(dues, nowMs)].sort()).toEqual(waiting.map(({ step }) => step).sort());
          expect(firstLate(dues, nowMs)?.atMs ?? Infinity).toBe(Math.min(...late.map(({ atMs }) => atMs)));
        }
      }
    });
    fc.assert(holds, { numRuns: 1_000 });
  });

  it('hold little more than twice what is due, whatever was due before', () => {
    const dues = noDues();
    for (let index = 0; index < 10_000; index++) {
      setDue(dues, 'step', `s${index}`, 1_000_000 + index);
      setDue(dues, 'retry', `s${index}`, index);
      for (const kind of DUE_KINDS) dropDue(dues, kind, `s${index - 100}`);
      expect(dues.heap.length).toBeLessThanOrEqual(2 * dues.byKey.size + 40);
    }
    expect(dues.byKey.size).toBe(200);
  });

  it('name the first of what is late at one instant, by its step', () => {
    const dues = noDues();
    for (const step of ['c', 'a', 'b']) setDue(dues, 'step', step, 5);
    setDue(dues, 'retry', 'a', 1);
    expect(firstLate(dues, 4)).toBeNull();
    expect(firstLate(dues, 5)).toEqual({ kind: 'step', step: 'a', atMs: 5 });
  });
});
