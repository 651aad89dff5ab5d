import { afterEach, describe, expect, it } from '@jest/globals';
import { DEFAULT_COMPILE_LIMITS } from '#domain';
import {
  CATALOGUE,
  LOG_START,
  MemoryEventStore,
  NO_STREAM,
  planStream,
  type Append,
  type AppendOutcome,
  type Position,
  type SubscriptionMessage,
} from '#event-store';
import { silentLog, systemClock, systemEntropy } from '#runtime';
import { CatalogueUnavailable } from './append-surely.js';
import { Catalogue } from './catalogue.js';
import type { DefinitionBody } from './compile-definition.js';

const started: Catalogue[] = [];
const open = async (store = new MemoryEventStore()) => {
  const catalogue = new Catalogue(store, systemClock, systemEntropy, silentLog, DEFAULT_COMPILE_LIMITS);
  started.push(catalogue);
  await catalogue.start();
  return { store, catalogue };
};
afterEach(async () => {
  for (const catalogue of started.splice(0)) await catalogue.stop();
});

const body = (text: string, more: object = {}): DefinitionBody => {
  const document = { root: { type: 'fail', error: text }, ...more };
  return { document, text: JSON.stringify(document, null, 1), format: 'json' };
};
const IF_NONE = { precondition: { ifNoneMatch: '*' as const } };

describe('publishing', () => {
  it('makes version 1 with its plan stored before it, and finds it by every way', async () => {
    const { store, catalogue } = await open();
    const reply = await catalogue.publish('ship', body('a', { tags: { team: 'growth' }, description: 'Ships' }), {
      origin: { actor: 'me', traceparent: 'trace' },
    });
    expect(reply).toMatchObject({ status: 'created', findings: [], version: { version: 1, format: 'json' } });
    const commits = await store.readAll(LOG_START, { limit: 10 });
    expect(commits.map(({ stream }) => stream.slice(0, 5))).toEqual(['plan-', 'catal']);
    const [event] = await store.readStream(CATALOGUE);
    expect(event).toMatchObject({ type: 'WorkflowPublished', v: 1, actor: 'me', traceparent: 'trace' });
    const found = await catalogue.planFor('ship', null);
    expect(found).toMatchObject({ status: 'found', version: 1, tags: { team: 'growth' } });
    expect(catalogue.cachedPlanFor('ship', 1)).toEqual(found);
    expect(await catalogue.get('ship')).toMatchObject({
      name: 'ship',
      archivedAt: null,
      versions: [{ description: 'Ships' }],
    });
    const version = await catalogue.version('ship', 1);
    expect(await catalogue.documentAt(version!.revision)).toBe(
      body('a', { tags: { team: 'growth' }, description: 'Ships' }).text,
    );
  });

  it('makes no version of content that the latest holds, however it is spelt', async () => {
    const { store, catalogue } = await open();
    await catalogue.publish('ship', body('a', { description: 'x' }));
    const respelt = {
      document: { description: 'x', root: { error: 'a', type: 'fail' } },
      text: 'yaml',
      format: 'yaml' as const,
    };
    expect(await catalogue.publish('ship', respelt)).toMatchObject({ status: 'unchanged', version: { version: 1 } });
    expect(await store.readStream(CATALOGUE)).toHaveLength(1);
  });

  it('reports every finding of a bad definition, and stores nothing', async () => {
    const { store, catalogue } = await open();
    const document = { root: { type: 'sequence', steps: [{ type: 'stp' }, { type: 'step' }] } };
    const reply = await catalogue.publish('ship', { document, text: '', format: 'json' });
    expect(reply).toMatchObject({
      status: 'invalid',
      findings: [{ pointer: '/root/steps/0/type' }, { pointer: '/root/steps/0' }, { pointer: '/root/steps/1' }],
    });
    expect(await store.readAll(LOG_START, { limit: 1 })).toEqual([]);
  });

  it('refuses a document that is too large, or would be inside its event', async () => {
    const { catalogue } = await open();
    const { document } = body('a');
    const sized = (text: string) => catalogue.publish('ship', { document, text, format: 'yaml' });
    expect(await sized('x'.repeat(512 * 1024))).toMatchObject({ status: 'created' });
    expect(await sized('x'.repeat(512 * 1024 + 1))).toMatchObject({ status: 'invalid', findings: [{ pointer: '' }] });
    expect(await sized('"'.repeat(500 * 1024))).toMatchObject({ status: 'invalid', findings: [{ pointer: '' }] });
  });

  it('gives 64 publishers at once 64 versions, and with If-None-Match only one', async () => {
    const { catalogue } = await open();
    const texts = Array.from({ length: 64 }, (_, index) => `t${index}`);
    const replies = await Promise.all(texts.map((text) => catalogue.publish('many', body(text))));
    const versions = replies.map((reply) => (reply.status === 'created' ? reply.version.version : 0));
    expect(versions.toSorted((a, b) => a - b)).toEqual(texts.map((_, index) => index + 1));
    const once = await Promise.all(texts.map((text) => catalogue.publish('once', body(text), IF_NONE)));
    expect(once.filter(({ status }) => status === 'created')).toHaveLength(1);
    expect(once.filter(({ status }) => status === 'precondition-failed')).toHaveLength(63);
  });
});

describe('two processes on one store', () => {
  it('see what the other published, archived and drafted: at once by a miss, and soon by following', async () => {
    const { store, catalogue: one } = await open();
    const { catalogue: other } = await open(store);
    await one.publish('ship', body('a'));
    expect(await other.planFor('ship', null)).toMatchObject({ status: 'found', version: 1 });
    await one.publish('ship', body('b'));
    expect(await other.version('ship', 2)).toMatchObject({ version: 2 });
    await one.saveDraft('ship', body('c'));
    expect(await other.planFor('ship', 'draft')).toMatchObject({ status: 'found', version: 'draft' });
    await one.archive('ship');
    for (let waits = 0; (await other.get('ship'))?.archivedAt === null && waits < 100; waits++) {
      await new Promise((resolve) => systemClock.after(5, () => resolve(null)));
    }
    expect(await other.planFor('ship', null)).toEqual({ status: 'archived' });
  });

  it('decide on what stands there: conflicts are decided anew, answers without an append are not stale', async () => {
    const { store, catalogue: one } = await open();
    const { catalogue: other } = await open(store);
    const [first, second] = await Promise.all([
      one.publish('ship', body('a'), IF_NONE),
      other.publish('ship', body('b'), IF_NONE),
    ]);
    expect([first.status, second.status].toSorted()).toEqual(['created', 'precondition-failed']);
    await Promise.all(
      Array.from({ length: 8 }, (_, index) => (index % 2 === 0 ? one : other).publish('both', body(`t${index}`))),
    );
    expect((await one.get('both'))?.versions.map(({ version }) => version)).toEqual([1, 2, 3, 4, 5, 6, 7, 8]);
  });

  it('load everything at start, over many pages', async () => {
    const { store, catalogue } = await open();
    for (let index = 0; index < 150; index++) await catalogue.publish(`w${index}`, body('same'));
    const { catalogue: late } = await open(store);
    expect(late.list(null, 1_000).items).toHaveLength(150);
    expect(late.cachedPlanFor('w7', null)).toBeNull();
    expect(await late.planFor('w7', null)).toMatchObject({ status: 'found' });
    expect(late.cachedPlanFor('w8', null)).toMatchObject({ status: 'found' });
  });
});

/** Tells its followers nothing: what another process wrote is found by reading, or not at all. */
class MuteStore extends MemoryEventStore {
  override subscribe(_after: Position, { signal }: { signal: AbortSignal }): AsyncIterable<SubscriptionMessage> {
    const next = () =>
      new Promise<IteratorResult<SubscriptionMessage>>((resolve) => {
        const end = () => resolve({ done: true, value: undefined });
        if (signal.aborted) end();
        else signal.addEventListener('abort', end);
      });
    return { [Symbol.asyncIterator]: () => ({ next }) };
  }
}

describe('a process that has not heard yet', () => {
  it('reads the tail before it says that something is not there', async () => {
    const { store, catalogue: one } = await open(new MuteStore());
    const { catalogue: other } = await open(store);
    await one.publish('ship', body('a'));
    expect(await other.planFor('ship', null)).toMatchObject({ status: 'found', version: 1 });
    await one.publish('ship', body('b'));
    expect(await other.planFor('ship', 2)).toMatchObject({ status: 'found', version: 2 });
    await one.publish('next', body('a'));
    expect(await other.get('next')).toMatchObject({ name: 'next' });
  });

  it('reads the tail before it says that nothing changes, or that a precondition fails', async () => {
    const { store, catalogue: one } = await open(new MuteStore());
    const { catalogue: other } = await open(store);
    await other.publish('ship', body('a'));
    await one.publish('ship', body('b'));
    expect(await other.publish('ship', body('a'))).toMatchObject({ status: 'created', version: { version: 3 } });
    await one.archive('ship');
    expect(await other.publish('ship', body('a'), IF_NONE)).toMatchObject({
      status: 'created',
      version: { version: 4 },
    });
    await one.publish('ship', body('c'));
    const ifMatch = { precondition: { ifMatch: [5] } };
    expect(await other.publish('ship', body('d'), ifMatch)).toMatchObject({
      status: 'created',
      version: { version: 6 },
    });
  });

  it('tells of its own write, not of what others wrote meanwhile', async () => {
    const { store, catalogue: one } = await open(new MuteStore());
    const { catalogue: other } = await open(store);
    const [first, second] = await Promise.all([one.publish('ship', body('a')), other.publish('ship', body('b'))]);
    expect([first, second].map((reply) => 'version' in reply && reply.version.version).toSorted()).toEqual([1, 2]);
  });
});

describe('what is not there', () => {
  it('is refused with the nearest names, or the latest version', async () => {
    const { catalogue } = await open();
    await catalogue.publish('onboarding', body('a'));
    expect(await catalogue.planFor('onbording', null)).toEqual({ status: 'unknown-workflow', nearest: ['onboarding'] });
    expect(await catalogue.planFor('onboarding', 2)).toEqual({ status: 'unknown-version', latest: 1, draft: false });
    expect(await catalogue.planFor('onboarding', 'draft')).toEqual({
      status: 'unknown-version',
      latest: 1,
      draft: false,
    });
    expect(await catalogue.archive('onbording')).toEqual({ status: 'unknown-workflow', nearest: ['onboarding'] });
    expect(await catalogue.get('x')).toBeNull();
    expect(await catalogue.version('onboarding', 0)).toBeNull();
  });
});

describe('archiving', () => {
  it('keeps versions readable and unstartable, until publishing brings the workflow back', async () => {
    const { catalogue } = await open();
    await catalogue.publish('ship', body('a'));
    await catalogue.saveDraft('ship', body('b'));
    const first = await catalogue.archive('ship');
    expect(await catalogue.archive('ship')).toEqual(first);
    expect(await catalogue.planFor('ship', 1)).toEqual({ status: 'archived' });
    expect(catalogue.cachedPlanFor('ship', 1)).toBeNull();
    expect(await catalogue.version('ship', 1)).toMatchObject({ version: 1 });
    expect(catalogue.list(null, 10).items).toEqual([]);
    expect(catalogue.list(null, 10, { archived: true }).items).toHaveLength(1);
    expect(await catalogue.publish('ship', body('a'), IF_NONE)).toMatchObject({
      status: 'created',
      version: { version: 2 },
    });
    expect(await catalogue.planFor('ship', 'draft')).toEqual({ status: 'unknown-version', latest: 2, draft: false });
  });
});

describe('drafts', () => {
  it('replace each other, and must compile since they can be started', async () => {
    const { store, catalogue } = await open();
    const saved = await catalogue.saveDraft('ship', body('a'));
    expect(saved).toMatchObject({ status: 'saved', draft: { revision: 0 } });
    expect(await catalogue.saveDraft('ship', body('a'))).toEqual(saved);
    await catalogue.saveDraft('ship', body('b'));
    expect(await store.readStream(CATALOGUE)).toHaveLength(2);
    expect(await catalogue.saveDraft('ship', { document: {}, text: '{}', format: 'json' })).toMatchObject({
      status: 'invalid',
    });
    expect(await catalogue.planFor('ship', null)).toEqual({ status: 'unknown-version', latest: null, draft: true });
    expect((await catalogue.get('ship'))?.versions).toEqual([]);
  });
});

describe('the texts of drafts', () => {
  it('are read by nobody but who asks for the last of them', async () => {
    const { store, catalogue } = await open();
    const text = (index: number) => `{"root":{"type":"pass","name":"n${index}"}}${' '.repeat(50_000)}`;
    for (let index = 0; index < 40; index++) {
      const document: unknown = JSON.parse(text(index));
      const saved = await catalogue.saveDraft('ship', { document, text: text(index), format: 'json' });
      expect(saved.status).toBe('saved');
    }
    let read = 0;
    for await (const page of store.readPages(CATALOGUE)) for (const { data } of page) read += data.length;
    // A start folds all of it: of each draft what is shown of a workflow.
    expect(read).toBeLessThan(40 * 1_000);
    const draft = (await catalogue.get('ship'))!.draft!;
    expect(await catalogue.documentAt(draft.revision)).toBe(text(39));
    expect(await catalogue.documentAt(3)).toBe(text(3));
  });
});

describe('listing', () => {
  it('pages by name, in order, while names come in', async () => {
    const { catalogue } = await open();
    for (const name of ['b', 'd', 'a', 'c']) await catalogue.publish(name, body(name));
    const names = (page: ReturnType<Catalogue['list']>) => [page.items.map(({ name }) => name).join(''), page.more];
    expect(names(catalogue.list(null, 2))).toEqual(['ab', true]);
    await catalogue.publish('aa', body('aa'));
    expect(names(catalogue.list('b', 2))).toEqual(['cd', false]);
    expect(names(catalogue.list('d', 2))).toEqual(['', false]);
    expect(names(catalogue.list(null, 5))).toEqual(['aaabcd', false]);
  });
});

describe('plans', () => {
  it('of inline definitions are stored once, and read from the log by who does not have them', async () => {
    const { store, catalogue } = await open();
    await catalogue.publish('ship', body('a'));
    const found = await catalogue.planFor('ship', null);
    const plan = found.status === 'found' ? found.plan : null;
    const hash = await catalogue.storePlan(plan!);
    expect(found).toMatchObject({ hash });
    const { catalogue: late } = await open(store);
    expect(late.cachedPlan(hash)).toBeNull();
    expect(await late.storePlan(plan!)).toBe(hash);
    expect(await store.readStream(planStream(hash))).toHaveLength(1);
    const { catalogue: later } = await open(store);
    expect(await Promise.all([later.plan(hash), later.plan(hash)])).toEqual([plan, plan]);
    expect(later.cachedPlan(hash)).toEqual(plan);
    await expect(later.plan('00')).rejects.toMatchObject({ code: 'plan-missing' });
  });
});

/** Answers `unknown` so many times, having appended or not. */
class DoubtfulStore extends MemoryEventStore {
  doubts = 0;
  applied = true;
  refused = false;

  override append(append: Append, settle: (outcome: AppendOutcome) => void): void {
    if (this.refused && append.stream === CATALOGUE) {
      super.append({ ...append, expected: NO_STREAM, stream: planStream('other') }, () => {
        settle({ status: 'conflict', actual: append.expected });
      });
    } else if (this.doubts > 0) {
      this.doubts -= 1;
      const settleUnknown = () => settle({ status: 'unknown', cause: new Error('lost') });
      if (this.applied) super.append(append, settleUnknown);
      else queueMicrotask(settleUnknown);
    } else {
      super.append(append, settle);
    }
  }
}

describe('a store that fails', () => {
  it.each([true, false])('an append of unknown outcome is repeated as it is (applied: %s)', async (applied) => {
    const store = new DoubtfulStore();
    const { catalogue } = await open(store);
    store.applied = applied;
    store.doubts = 3;
    expect(await catalogue.publish('ship', body('a'))).toMatchObject({ status: 'created', version: { version: 1 } });
    expect(await store.readStream(CATALOGUE)).toHaveLength(1);
  });

  it('conflicts without end are given up, and said to be', async () => {
    const store = new DoubtfulStore();
    const { catalogue } = await open(store);
    store.refused = true;
    await expect(catalogue.publish('ship', body('a'))).rejects.toThrow(CatalogueUnavailable);
    store.refused = false;
    expect(await catalogue.publish('ship', body('a'))).toMatchObject({ status: 'created' });
  });
});
