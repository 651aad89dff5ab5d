import { describe, expect, it } from '@jest/globals';
import {
  decideCatalogue,
  evolveCatalogue,
  latestVersion,
  newCatalogue,
  type CatalogueCommand,
  type CatalogueEvent,
  type DefinitionSource,
} from './catalogue.js';
import { ANY, type Precondition } from './precondition.js';

const source = (content: string): DefinitionSource => ({
  contentHash: content,
  plan: `plan of ${content}`,
  format: 'json',
  document: `{"text":"${content}"}`,
  description: null,
  tags: {},
});
const published = (version: number, content: string): CatalogueEvent => ({
  type: 'WorkflowPublished',
  name: 'ship',
  version,
  ...source(content),
});
const draft = (content: string) => {
  const { document: _, ...known } = source(content);
  return { ...known, text: `text of ${content}` };
};
const saved = (content: string): CatalogueEvent => ({ type: 'DraftSaved', name: 'ship', ...draft(content) });
const archived: CatalogueEvent = { type: 'WorkflowArchived', name: 'ship' };
const publish = (content: string, precondition: Partial<Precondition> = {}): CatalogueCommand => ({
  type: 'PublishWorkflow',
  name: 'ship',
  precondition: { ifMatch: null, ifNoneMatch: null, ...precondition },
  ...source(content),
});
const fold = (...events: readonly CatalogueEvent[]) =>
  events.reduce(
    (state, event, revision) => evolveCatalogue(state, event, { revision, recordedAt: `at ${revision}` }),
    newCatalogue(),
  );
const decide = (history: readonly CatalogueEvent[], command: CatalogueCommand) =>
  decideCatalogue(command, fold(...history));
const accepted = (...events: readonly CatalogueEvent[]) => ({ accepted: true, events });
const failed = (stands: number | null) => ({ accepted: false, rejection: { code: 'precondition-failed', stands } });

describe('publishing', () => {
  it('makes version 1 of what is new, and the next version of what is not', () => {
    expect(decide([], publish('a'))).toEqual(accepted(published(1, 'a')));
    expect(decide([published(1, 'a')], publish('b'))).toEqual(accepted(published(2, 'b')));
  });

  it('makes no version of what the latest holds already, but one of what only an earlier one held', () => {
    const history = [published(1, 'a'), published(2, 'b')];
    expect(decide(history, publish('b'))).toEqual(accepted());
    expect(decide(history, publish('a'))).toEqual(accepted(published(3, 'a')));
  });

  it.each<[string, Partial<Precondition>, number, number]>([
    ['If-None-Match: *', { ifNoneMatch: '*' }, 1, 0],
    ['If-None-Match with the latest', { ifNoneMatch: [2] }, 1, 0],
    ['If-None-Match with an older one', { ifNoneMatch: [1] }, 1, 1],
    ['If-Match: *', { ifMatch: '*' }, 0, 1],
    ['If-Match with the latest', { ifMatch: [1, 2] }, 0, 1],
    ['If-Match with an older one', { ifMatch: [1] }, 0, 0],
    ['If-Match with nothing that can be', { ifMatch: [] }, 0, 0],
  ])('under %s', (_, precondition, whenNew, whenThere) => {
    expect(decide([], publish('c', precondition))).toEqual(whenNew ? accepted(published(1, 'c')) : failed(null));
    const history = [published(1, 'a'), published(2, 'b')];
    expect(decide(history, publish('c', precondition))).toEqual(whenThere ? accepted(published(3, 'c')) : failed(2));
  });

  it('checks the precondition before it says that nothing has changed', () => {
    expect(decide([published(1, 'a')], publish('a', { ifNoneMatch: '*' }))).toEqual(failed(1));
  });

  it('after an archiving goes on with the next number, also for the same content', () => {
    const history = [published(1, 'a'), archived];
    expect(decide(history, publish('a'))).toEqual(accepted(published(2, 'a')));
    expect(decide(history, publish('b', { ifNoneMatch: '*' }))).toEqual(accepted(published(2, 'b')));
    expect(decide(history, publish('b', { ifMatch: [1] }))).toEqual(failed(null));
    expect(latestVersion(fold(...history, published(2, 'a')).workflows.get('ship'))?.version).toBe(2);
  });
});

describe('archiving', () => {
  const archive: CatalogueCommand = { type: 'ArchiveWorkflow', name: 'ship', precondition: ANY };

  it('archives once, drops the draft and keeps the versions', () => {
    const history = [published(1, 'a'), saved('b')];
    expect(decide(history, archive)).toEqual(accepted(archived));
    expect(decide([...history, archived], archive)).toEqual(accepted());
    expect(fold(...history, archived).workflows.get('ship')).toMatchObject({
      archivedAt: 'at 2',
      draft: null,
      versions: [{ version: 1 }],
    });
  });

  it.each<[string, Partial<Precondition>, boolean]>([
    ['the latest', { ifMatch: [2] }, true],
    ['an older one', { ifMatch: [1] }, false],
    ['any', { ifMatch: '*' }, true],
  ])('is for who has seen %s: %j', (_name, given, isTaken) => {
    const history = [published(1, 'a'), published(2, 'b')];
    const decision = decide(history, { ...archive, precondition: { ...ANY, ...given } });
    expect(decision).toEqual(isTaken ? accepted(archived) : failed(2));
  });

  it('refuses what is unknown', () => {
    expect(decide([], archive)).toEqual({ accepted: false, rejection: { code: 'unknown-workflow', name: 'ship' } });
  });
});

describe('drafts', () => {
  const save = (content: string, given: Partial<Precondition> = {}): CatalogueCommand => ({
    type: 'SaveDraft',
    name: 'ship',
    precondition: { ...ANY, ...given },
    ...draft(content),
  });
  const discard = (given: Partial<Precondition> = {}): CatalogueCommand => ({
    type: 'DiscardDraft',
    name: 'ship',
    precondition: { ...ANY, ...given },
  });
  const discarded: CatalogueEvent = { type: 'DraftDiscarded', name: 'ship' };

  it('stand beside the versions, and only a change is an event', () => {
    expect(decide([], save('a'))).toEqual(accepted(saved('a')));
    expect(decide([saved('a')], save('a'))).toEqual(accepted());
    expect(decide([saved('a')], save('b'))).toEqual(accepted(saved('b')));
    const workflow = fold(published(1, 'a'), saved('b')).workflows.get('ship');
    expect(workflow?.draft).toMatchObject({ contentHash: 'b', revision: 1, storedAt: 'at 1' });
    expect(latestVersion(workflow)?.contentHash).toBe('a');
    expect(latestVersion(fold(saved('b')).workflows.get('ship'))).toBeNull();
  });

  it('are saved for who has seen the one that stands there, by its revision', () => {
    const history = [saved('a'), saved('b')];
    expect(decide(history, save('c', { ifMatch: [1] }))).toEqual(accepted(saved('c')));
    expect(decide(history, save('c', { ifMatch: [0] }))).toEqual(failed(1));
    expect(decide(history, save('b', { ifMatch: [0] }))).toEqual(failed(1));
    expect(decide(history, save('c', { ifNoneMatch: '*' }))).toEqual(failed(1));
    expect(decide([published(1, 'a')], save('c', { ifMatch: '*' }))).toEqual(failed(null));
    expect(decide([published(1, 'a')], save('c', { ifNoneMatch: '*' }))).toEqual(accepted(saved('c')));
  });

  it('are taken away, and with them a workflow that was nothing else', () => {
    const history = [published(1, 'a'), saved('b')];
    expect(decide(history, discard({ ifMatch: [1] }))).toEqual(accepted(discarded));
    expect(decide(history, discard({ ifMatch: [0] }))).toEqual(failed(1));
    expect(fold(...history, discarded).workflows.get('ship')).toMatchObject({
      draft: null,
      versions: [{ version: 1 }],
    });
    expect(fold(saved('b'), discarded).workflows.size).toBe(0);
    const none = { accepted: false, rejection: { code: 'no-draft', name: 'ship' } };
    expect(decide([published(1, 'a')], discard())).toEqual(none);
    expect(decide([], discard())).toEqual({ accepted: false, rejection: { code: 'unknown-workflow', name: 'ship' } });
  });

  it('leave alone when the workflow was created', () => {
    const createdAt = (...events: readonly CatalogueEvent[]) => fold(...events).workflows.get('ship')?.createdAt;
    expect(createdAt(saved('a'), saved('b'))).toBe('at 0');
    expect(createdAt(saved('a'), published(1, 'a'), saved('b'))).toBe('at 0');
  });
});

describe('folding', () => {
  it('keeps everything but the text', () => {
    const { document: _, ...kept } = source('a');
    expect(fold(published(1, 'a'))).toEqual({
      revision: 0,
      workflows: new Map([
        [
          'ship',
          {
            name: 'ship',
            createdAt: 'at 0',
            archivedAt: null,
            draft: null,
            versions: [{ ...kept, version: 1, revision: 0, storedAt: 'at 0' }],
          },
        ],
      ]),
    });
  });
});
