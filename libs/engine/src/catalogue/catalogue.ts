import assert from 'node:assert/strict';
import {
  ANY,
  latestVersion,
  type CatalogueRejection,
  type CompileLimits,
  type Plan,
  type Version,
  type Workflow,
} from '#domain';
import { CATALOGUE, type EventStore, type Revision } from '#event-store';
import { nearestNames, type Clock, type Entropy, type Log } from '#runtime';
import type { PlanSource } from '../load-run.js';
import { NOBODY, type Origin } from '../runs.js';
import { decodeCatalogueEvent } from './catalogue-event-codec.js';
import { CatalogueReader } from './catalogue-reader.js';
import type {
  ArchiveReply,
  Asked,
  DiscardReply,
  NotAsSeen,
  DraftReply,
  FoundPlan,
  PlanReply,
  PublishReply,
  WantedVersion,
} from './catalogue-replies.js';
import { CatalogueWriter } from './catalogue-writer.js';
import { compileDefinition, type DefinitionBody } from './compile-definition.js';
import { PlanStore } from './plan-store.js';
import { TextStore } from './text-store.js';

/** Distances are measured to this many names at most, so that a guessed name stays cheap to refuse. */
const COMPARED_NAMES_MAX = 1_000;

/**
 * All workflows of the service, folded from the stream `catalogue`, which every process follows. What is found is
 * answered from memory; a miss reads the tail of the stream first, since another process may have published just now.
 * Writes are fenced by the revision that they were decided on, and throw `CatalogueUnavailable` when the store does not
 * take them. Texts of documents stay in the log until somebody asks.
 */
export class Catalogue implements PlanSource {
  private readonly plans: PlanStore;
  private readonly texts: TextStore;
  private readonly reader: CatalogueReader;
  private readonly writer: CatalogueWriter;

  constructor(
    private readonly store: EventStore,
    clock: Clock,
    entropy: Entropy,
    log: Log,
    private readonly limits: CompileLimits,
  ) {
    this.plans = new PlanStore(store, clock, entropy);
    this.texts = new TextStore(store, clock, entropy);
    this.reader = new CatalogueReader(store, clock, log);
    this.writer = new CatalogueWriter(store, this.reader, clock, entropy);
  }

  /** Reads the whole catalogue, then follows it. */
  start(): Promise<void> {
    return this.reader.start();
  }

  async stop(): Promise<void> {
    await this.writer.idle();
    await this.reader.stop();
  }

  cachedPlan(hash: string): Plan | null {
    return this.plans.cachedPlan(hash);
  }

  plan(hash: string): Promise<Plan> {
    return this.plans.plan(hash);
  }

  /** Stores the plan of an inline definition, of which nothing else is kept, and gives its hash. */
  storePlan(plan: Plan, origin: Origin = NOBODY): Promise<string> {
    return this.plans.storePlan(plan, origin);
  }

  /** What a run starts with when all of it is in memory; `null` says nothing but that `planFor` must be asked. */
  cachedPlanFor(name: string, wanted: WantedVersion): FoundPlan | null {
    const found = this.pick(name, wanted);
    const plan = found === null ? null : this.plans.cachedPlan(found.hash);
    return found === null || plan === null ? null : { ...found, plan };
  }

  async planFor(name: string, wanted: WantedVersion): Promise<PlanReply> {
    const found = await this.freshly(() => this.pick(name, wanted));
    if (found !== null) return { ...found, plan: await this.plans.plan(found.hash) };
    const workflow = this.reader.workflow(name);
    if (workflow === undefined) return { status: 'unknown-workflow', nearest: this.nearest(name) };
    if (workflow.archivedAt !== null) return { status: 'archived' };
    const latest = latestVersion(workflow)?.version ?? null;
    return { status: 'unknown-version', latest, draft: workflow.draft !== null };
  }

  /** A workflow with all its versions, archived or not. */
  get(name: string): Promise<Workflow | null> {
    return this.freshly(() => this.reader.workflow(name) ?? null);
  }

  version(name: string, version: number): Promise<Version | null> {
    return this.freshly(() => this.reader.workflow(name)?.versions[version - 1] ?? null);
  }

  /** Sorted by name, beginning past `after`; archived workflows only where they are asked for. */
  list(after: string | null, limit: number, { archived = false } = {}): { items: readonly Workflow[]; more: boolean } {
    return this.reader.list(after, limit, archived);
  }

  /** The text of a version or a draft as its author sent it, read from the log: `revision` is the stored definition's. */
  async documentAt(revision: number): Promise<string | null> {
    // The caller has it from this stream's fold.
    const [event] = await this.store.readStream(CATALOGUE, { from: revision as Revision, limit: 1 });
    if (event === undefined) return null;
    const decoded = decodeCatalogueEvent(event);
    if (decoded.type === 'DraftSaved') return this.texts.read(decoded.text);
    return 'document' in decoded ? decoded.document : null;
  }

  /** The names that somebody may have meant, nearest first. */
  nearest(name: string): readonly string[] {
    return nearestNames(name, this.reader.namesLike(name, COMPARED_NAMES_MAX));
  }

  /** Publishes the next version, its plan before it; content that the latest version holds already makes none. */
  async publish(
    name: string,
    body: DefinitionBody,
    { precondition = {}, origin = NOBODY }: Asked = {},
  ): Promise<PublishReply> {
    const compiled = compileDefinition(body, this.limits);
    if (compiled.status === 'invalid') return compiled;
    const { source, findings } = compiled;
    const plan = await this.plans.storePlan(compiled.plan, origin);
    const written = await this.writer.write(
      { type: 'PublishWorkflow', name, precondition: { ...ANY, ...precondition }, plan, ...source },
      origin,
    );
    if (written.status === 'rejected') return notAsSeen(written.rejection);
    const { changed, position, workflow } = written;
    const version = workflow?.versions.at(-1);
    assert(version !== undefined, 'what was published stands there');
    return { status: changed ? 'created' : 'unchanged', version, position, findings };
  }

  /** Saves the draft beside the versions; it must compile, since it can be started. */
  async saveDraft(
    name: string,
    body: DefinitionBody,
    { precondition = {}, origin = NOBODY }: Asked = {},
  ): Promise<DraftReply> {
    const compiled = compileDefinition(body, this.limits);
    if (compiled.status === 'invalid') return compiled;
    const plan = await this.plans.storePlan(compiled.plan, origin);
    const { document, ...source } = compiled.source;
    const text = await this.texts.keep(document, origin);
    const written = await this.writer.write(
      { type: 'SaveDraft', name, precondition: { ...ANY, ...precondition }, plan, text, ...source },
      origin,
    );
    if (written.status === 'rejected') return notAsSeen(written.rejection);
    const draft = written.workflow?.draft ?? null;
    assert(draft !== null, 'a draft that was saved stands there');
    return { status: 'saved', draft, position: written.position, findings: compiled.findings };
  }

  /** Archives a workflow: its versions stay readable, none can be started. Publishing brings it back. */
  async archive(name: string, { precondition = {}, origin = NOBODY }: Asked = {}): Promise<ArchiveReply> {
    const command = { type: 'ArchiveWorkflow', name, precondition: { ...ANY, ...precondition } } as const;
    const written = await this.writer.write(command, origin);
    if (written.status === 'rejected') {
      const { rejection } = written;
      if (rejection.code === 'precondition-failed') return notAsSeen(rejection);
      return { status: 'unknown-workflow', nearest: this.nearest(name) };
    }
    const archivedAt = written.workflow?.archivedAt ?? null;
    assert(archivedAt !== null, 'an archived workflow says since when');
    return { status: 'archived', archivedAt, position: written.position };
  }

  /** Takes the draft away; of a workflow that was nothing else, nothing is left. */
  async discardDraft(name: string, { precondition = {}, origin = NOBODY }: Asked = {}): Promise<DiscardReply> {
    const command = { type: 'DiscardDraft', name, precondition: { ...ANY, ...precondition } } as const;
    const written = await this.writer.write(command, origin);
    if (written.status === 'accepted') return { status: 'discarded', position: written.position };
    const { rejection } = written;
    if (rejection.code === 'precondition-failed') return notAsSeen(rejection);
    if (rejection.code === 'no-draft') return { status: 'no-draft' };
    return { status: 'unknown-workflow', nearest: this.nearest(name) };
  }

  /** A miss is believed only after the tail of the stream was read. */
  private async freshly<Found>(find: () => Found | null): Promise<Found | null> {
    const found = find();
    if (found !== null) return found;
    await this.reader.refresh();
    return find();
  }

  private pick(name: string, wanted: WantedVersion): Omit<FoundPlan, 'plan'> | null {
    const workflow = this.reader.workflow(name);
    if (workflow === undefined || workflow.archivedAt !== null) return null;
    if (wanted === 'draft') {
      const { draft } = workflow;
      return draft === null ? null : { status: 'found', hash: draft.plan, version: 'draft', tags: draft.tags };
    }
    const found = wanted === null ? workflow.versions.at(-1) : workflow.versions[wanted - 1];
    return found === undefined ? null : { status: 'found', hash: found.plan, version: found.version, tags: found.tags };
  }
}

const notAsSeen = (rejection: CatalogueRejection): NotAsSeen => ({
  status: 'precondition-failed',
  stands: 'stands' in rejection ? rejection.stands : null,
});
