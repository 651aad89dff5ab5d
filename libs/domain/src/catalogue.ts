import type { Instant } from './events.js';
import { holds, type Precondition } from './precondition.js';
import { unreachable } from './unreachable.js';

export type DefinitionFormat = 'json' | 'yaml';

/** A definition as its author sent it, and what came of it. */
export type DefinitionSource = {
  /** SHA-256 (hex) of the document's canonical JSON: the same content is the same hash in JSON and in YAML. */
  readonly contentHash: string;
  /** SHA-256 (hex) of the plan's canonical JSON. */
  readonly plan: string;
  readonly format: DefinitionFormat;
  readonly document: string;
  readonly description: string | null;
  readonly tags: Readonly<Record<string, string>>;
};

/** A draft is saved again and again, and only its last text is ever asked for: texts of drafts stand in streams of their own. */
export type DraftSource = Omit<DefinitionSource, 'document'> & {
  /** SHA-256 (hex) of the document as it was sent: where it stands. */
  readonly text: string;
};

/** The events of the stream `catalogue`. `recordedAt` of the envelope is the time of each. */
export type CatalogueEvent =
  | ({ readonly type: 'WorkflowPublished'; readonly name: string; readonly version: number } & DefinitionSource)
  | ({ readonly type: 'DraftSaved'; readonly name: string } & DraftSource)
  | { readonly type: 'DraftDiscarded'; readonly name: string }
  | { readonly type: 'WorkflowArchived'; readonly name: string };

/** All of a stored definition but its text, which stays in the log until somebody asks for it. */
export type StoredDefinition = Omit<DefinitionSource, 'document'> & {
  readonly storedAt: Instant;
  /** Of the event that holds the text, or says where it stands. */
  readonly revision: number;
};

export type Version = StoredDefinition & { readonly version: number };

export type Workflow = {
  readonly name: string;
  /** When the first version or draft of it was stored. */
  readonly createdAt: Instant;
  /** From 1, none missing; empty while there is only a draft. */
  readonly versions: readonly Version[];
  readonly archivedAt: Instant | null;
  readonly draft: StoredDefinition | null;
};

/** All workflows, as folded from the stream. `evolveCatalogue` owns it and updates it in place; everyone else only reads. */
export type CatalogueState = { readonly revision: number; readonly workflows: ReadonlyMap<string, Workflow> };

export type CatalogueCommand =
  | ({
      readonly type: 'PublishWorkflow';
      readonly name: string;
      readonly precondition: Precondition;
    } & DefinitionSource)
  | ({ readonly type: 'SaveDraft'; readonly name: string; readonly precondition: Precondition } & DraftSource)
  | { readonly type: 'DiscardDraft'; readonly name: string; readonly precondition: Precondition }
  | { readonly type: 'ArchiveWorkflow'; readonly name: string; readonly precondition: Precondition };

export type CatalogueDecision =
  /** No events: it is so already. */
  | { readonly accepted: true; readonly events: readonly CatalogueEvent[] }
  | { readonly accepted: false; readonly rejection: CatalogueRejection };

export type CatalogueRejection =
  | { readonly code: 'unknown-workflow'; readonly name: string }
  | { readonly code: 'no-draft'; readonly name: string }
  /** `stands`: the version, or the revision of the draft, that stands there; `null`: none, or the workflow is archived. */
  | { readonly code: 'precondition-failed'; readonly stands: number | null };

/** The version that stands for the workflow when none is named; `null` when there is none, or it is archived. */
export const latestVersion = (workflow: Workflow | undefined): Version | null =>
  workflow === undefined || workflow.archivedAt !== null ? null : (workflow.versions.at(-1) ?? null);

/** Decides a command on the catalogue as it stands. Total; changes nothing. */
export const decideCatalogue = (command: CatalogueCommand, state: CatalogueState): CatalogueDecision => {
  const workflow = state.workflows.get(command.name);
  switch (command.type) {
    case 'PublishWorkflow': {
      const { type: _, precondition, ...published } = command;
      const latest = latestVersion(workflow);
      if (!holds(precondition, latest?.version)) return notAsSeen(latest?.version);
      if (latest?.contentHash === command.contentHash) return accept();
      // Numbers go on after an archiving: a version, once published, is what it was for ever.
      const version = (workflow?.versions.length ?? 0) + 1;
      return accept({ type: 'WorkflowPublished', version, ...published });
    }
    case 'SaveDraft': {
      const { type: _, precondition, ...saved } = command;
      const draft = workflow?.draft;
      if (!holds(precondition, draft?.revision)) return notAsSeen(draft?.revision);
      return draft?.contentHash === command.contentHash ? accept() : accept({ type: 'DraftSaved', ...saved });
    }
    case 'DiscardDraft': {
      if (workflow === undefined) return refuse({ code: 'unknown-workflow', name: command.name });
      const { draft } = workflow;
      if (!holds(command.precondition, draft?.revision)) return notAsSeen(draft?.revision);
      if (draft === null) return refuse({ code: 'no-draft', name: command.name });
      return accept({ type: 'DraftDiscarded', name: command.name });
    }
    case 'ArchiveWorkflow': {
      if (workflow === undefined) return refuse({ code: 'unknown-workflow', name: command.name });
      const latest = latestVersion(workflow)?.version;
      if (!holds(command.precondition, latest)) return notAsSeen(latest);
      return workflow.archivedAt === null ? accept({ type: 'WorkflowArchived', name: command.name }) : accept();
    }
    default:
      return unreachable(command);
  }
};

const accept = (...events: readonly CatalogueEvent[]): CatalogueDecision => ({ accepted: true, events });
const refuse = (rejection: CatalogueRejection): CatalogueDecision => ({ accepted: false, rejection });

const notAsSeen = (stands: number | undefined): CatalogueDecision =>
  refuse({ code: 'precondition-failed', stands: stands ?? null });

/** An empty catalogue, to be folded into. */
export const newCatalogue = (): MutableCatalogue => ({ revision: -1, workflows: new Map() });

export type MutableCatalogue = { revision: number; readonly workflows: Map<string, Workflow> };

/** Folds one event in, in place: a catalogue of thousands must not be copied for each. */
export const evolveCatalogue = (
  state: MutableCatalogue,
  event: CatalogueEvent,
  { revision, recordedAt }: { readonly revision: number; readonly recordedAt: Instant },
): MutableCatalogue => {
  const known = state.workflows.get(event.name);
  const workflow = known ?? { name: event.name, createdAt: recordedAt, versions: [], archivedAt: null, draft: null };
  state.revision = revision;
  switch (event.type) {
    case 'WorkflowPublished': {
      const version = { ...storedDefinition(event, revision, recordedAt), version: event.version };
      state.workflows.set(event.name, { ...workflow, versions: [...workflow.versions, version], archivedAt: null });
      return state;
    }
    case 'DraftSaved':
      state.workflows.set(event.name, { ...workflow, draft: storedDefinition(event, revision, recordedAt) });
      return state;
    case 'DraftDiscarded':
      // Of what was only a draft nothing is left.
      if (workflow.versions.length === 0 && workflow.archivedAt === null) state.workflows.delete(event.name);
      else state.workflows.set(event.name, { ...workflow, draft: null });
      return state;
    case 'WorkflowArchived':
      // A draft of what is gone would be started by nobody.
      state.workflows.set(event.name, { ...workflow, archivedAt: recordedAt, draft: null });
      return state;
    default:
      return unreachable(event);
  }
};

const storedDefinition = (
  source: Omit<DefinitionSource, 'document'>,
  revision: number,
  storedAt: Instant,
): StoredDefinition => ({
  contentHash: source.contentHash,
  plan: source.plan,
  format: source.format,
  description: source.description,
  tags: source.tags,
  storedAt,
  revision,
});
