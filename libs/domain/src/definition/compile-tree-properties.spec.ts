import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import type { Plan } from '../plan.js';
import { stepKeys } from '../step-path.js';
import { treeDocuments } from '../testing/plan-arbitrary.js';
import { compileTree } from './compile-tree.js';

/** Node ids in the order in which scopes and `next` lead to them, from a scope. */
const reached = (plan: Plan, scopeId: number): number[] => {
  const ids: number[] = [];
  for (let id = plan.scopes[scopeId]?.entry ?? null; id !== null; id = plan.nodes[id]?.next ?? null) {
    const node = plan.nodes[id]!;
    expect(node).toMatchObject({ id, scope: scopeId });
    ids.push(id);
    const bodies = node.type === 'sequence' ? [node.body] : node.type === 'parallel' ? node.branches : [];
    for (const [index, body] of bodies.entries()) {
      expect(plan.scopes[body]).toMatchObject({ container: id, slot: index });
      ids.push(...reached(plan, body));
    }
  }
  return ids;
};

describe('compileTree, for any tree', () => {
  it('compiles what is valid; scopes and next reach every node exactly once', () => {
    fc.assert(
      fc.property(treeDocuments, (document) => {
        const { plan, findings } = compileTree(document);
        expect(findings.filter(({ severity }) => severity === 'error')).toEqual([]);
        const ids = reached(plan!, 0);
        expect(ids.toSorted((a, b) => a - b)).toEqual(plan!.nodes.map((node) => node.id));
        expect(plan!.nodes.map((node) => node.id)).toEqual([...plan!.nodes.keys()]);
      }),
      { numRuns: 300 },
    );
  });

  it('gives every step a key of its own', () => {
    fc.assert(
      fc.property(treeDocuments, (document) => {
        const keys = stepKeys(compileTree(document).plan!);
        expect(new Set(keys).size).toBe(keys.length);
      }),
      { numRuns: 300 },
    );
  });

  it('gives the same plan for the same document, and one that survives JSON', () => {
    fc.assert(
      fc.property(treeDocuments, (document) => {
        const { plan } = compileTree(document);
        expect(compileTree(structuredClone(document)).plan).toEqual(plan);
        expect(JSON.parse(JSON.stringify(plan))).toEqual(plan);
      }),
      { numRuns: 200 },
    );
  });

  it('never throws, whatever JSON it is given: a plan or an error', () => {
    const words = fc.constantFrom(
      'type',
      'root',
      'steps',
      'branches',
      'url',
      'retry',
      'headers',
      'step',
      'sequence',
      'parallel',
    );
    const node = fc.letrec((tie) => ({
      any: fc.oneof(
        { maxDepth: 4 },
        fc.jsonValue({ maxDepth: 1 }),
        words,
        fc.array(tie('any'), { maxLength: 3 }),
        tie('object'),
      ),
      object: fc.dictionary(fc.oneof(words, fc.string()), tie('any'), { maxKeys: 4 }),
    })).any;
    const documents = fc.oneof(fc.jsonValue(), node, fc.record({ root: node }));
    fc.assert(
      fc.property(documents, (document) => {
        const { plan, findings } = compileTree(document);
        expect(plan === null).toBe(findings.some(({ severity }) => severity === 'error'));
      }),
      { numRuns: 1_000 },
    );
  });

  it('names a place that is there, after any one member was spoilt', () => {
    fc.assert(
      fc.property(treeDocuments, fc.nat(), fc.jsonValue({ maxDepth: 1 }), (document, pick, value) => {
        const spoilt = structuredClone(document);
        const places: [Record<string, unknown>, string][] = [];
        const visit = (object: Record<string, unknown>) => {
          for (const [key, member] of Object.entries(object)) {
            places.push([object, key]);
            if (typeof member === 'object' && member !== null) visit(member as Record<string, unknown>);
          }
        };
        visit(spoilt as unknown as Record<string, unknown>);
        const [object, key] = places[pick % places.length]!;
        object[key] = value;
        for (const { pointer } of compileTree(spoilt).findings) {
          let at: unknown = spoilt;
          for (const token of pointer.split('/').slice(1)) {
            at = (at as Record<string, unknown>)[token.replaceAll('~1', '/').replaceAll('~0', '~')];
          }
          expect({ pointer, at }).not.toEqual({ pointer, at: undefined });
        }
      }),
      { numRuns: 500 },
    );
  });
});
