import type { Instant } from './events.js';
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

/** The events of the stream `catalogue`. `recordedAt` of the envelope is the time of each. */
export type CatalogueEvent =
  | ({ readonly type: 'WorkflowPublished'; readonly name: string; readonly version: number } & DefinitionSource)
  | ({ readonly type: 'DraftSaved'; readonly name: string } & DefinitionSource)
  | { readonly type: 'WorkflowArchived'; readonly name: string };

/** All of a stored definition but its text, which stays in the log until somebody asks for it. */
export type StoredDefinition = Omit<DefinitionSource, 'document'> & {
  readonly storedAt: Instant;
  /** Of the event that holds the text. */
  readonly revision: number;
};

export type Version = StoredDefinition & { readonly version: number };

export type Workflow = {
  readonly name: string;
  /** From 1, none missing; empty while there is only a draft. */
  readonly versions: readonly Version[];
  readonly archivedAt: Instant | null;
  readonly draft: StoredDefinition | null;
};

/** All workflows, as folded from the stream. `evolveCatalogue` owns it and updates it in place; everyone else only reads. */
export type CatalogueState = { readonly revision: number; readonly workflows: ReadonlyMap<string, Workflow> };

/** What the caller has seen, by `If-Match` and `If-None-Match`; `*` is any version. */
export type Precondition = { readonly ifMatch: Seen | null; readonly ifNoneMatch: Seen | null };
export type Seen = '*' | readonly number[];

export type CatalogueCommand =
  | ({
      readonly type: 'PublishWorkflow';
      readonly name: string;
      readonly precondition: Precondition;
    } & DefinitionSource)
  | ({ readonly type: 'SaveDraft'; readonly name: string } & DefinitionSource)
  | { readonly type: 'ArchiveWorkflow'; readonly name: string };

export type CatalogueDecision =
  /** No events: it is so already. */
  | { readonly accepted: true; readonly events: readonly CatalogueEvent[] }
  | { readonly accepted: false; readonly rejection: CatalogueRejection };

export type CatalogueRejection =
  | { readonly code: 'unknown-workflow'; readonly name: string }
  /** `latest`: the version that stands there; `null`: none, or the workflow is archived. */
  | { readonly code: 'precondition-failed'; readonly latest: number | null };

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
      if (!holds(precondition, latest)) return refuse({ code: 'precondition-failed', latest: latest?.version ?? null });
      if (latest?.contentHash === command.contentHash) return accept();
      // Numbers go on after an archiving: a version, once published, is what it was for ever.
      const version = (workflow?.versions.length ?? 0) + 1;
      return accept({ type: 'WorkflowPublished', version, ...published });
    }
    case 'SaveDraft':
      if (workflow?.draft?.contentHash === command.contentHash) return accept();
      return accept({ ...command, type: 'DraftSaved' });
    case 'ArchiveWorkflow':
      if (workflow === undefined) return refuse({ code: 'unknown-workflow', name: command.name });
      return workflow.archivedAt === null ? accept({ type: 'WorkflowArchived', name: command.name }) : accept();
    default:
      return unreachable(command);
  }
};

const accept = (...events: readonly CatalogueEvent[]): CatalogueDecision => ({ accepted: true, events });
const refuse = (rejection: CatalogueRejection): CatalogueDecision => ({ accepted: false, rejection });

const holds = ({ ifMatch, ifNoneMatch }: Precondition, latest: Version | null): boolean =>
  (ifMatch === null || isSeen(ifMatch, latest)) && (ifNoneMatch === null || !isSeen(ifNoneMatch, latest));

const isSeen = (seen: Seen, latest: Version | null): boolean =>
  latest !== null && (seen === '*' || seen.includes(latest.version));

/** An empty catalogue, to be folded into. */
export const newCatalogue = (): MutableCatalogue => ({ revision: -1, workflows: new Map() });

export type MutableCatalogue = { revision: number; readonly workflows: Map<string, Workflow> };

/** Folds one event in, in place: a catalogue of thousands must not be copied for each. */
export const evolveCatalogue = (
  state: MutableCatalogue,
  event: CatalogueEvent,
  { revision, recordedAt }: { readonly revision: number; readonly recordedAt: Instant },
): MutableCatalogue => {
  const workflow = state.workflows.get(event.name) ?? { name: event.name, versions: [], archivedAt: null, draft: null };
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
    case 'WorkflowArchived':
      // A draft of what is gone would be started by nobody.
      state.workflows.set(event.name, { ...workflow, archivedAt: recordedAt, draft: null });
      return state;
    default:
      return unreachable(event);
  }
};

const storedDefinition = (source: DefinitionSource, revision: number, storedAt: Instant): StoredDefinition => ({
  contentHash: source.contentHash,
  plan: source.plan,
  format: source.format,
  description: source.description,
  tags: source.tags,
  storedAt,
  revision,
});
