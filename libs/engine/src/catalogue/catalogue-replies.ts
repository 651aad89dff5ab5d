import type { Finding, Plan, Precondition, StoredDefinition, Version } from '#domain';
import type { Position } from '#event-store';
import type { Origin } from '../runs.js';

/** Who asks for a change, and on what condition. */
export type Asked = { readonly precondition?: Partial<Precondition>; readonly origin?: Origin };

/** `findings` of what was accepted are warnings. */
export type PublishReply =
  | {
      /** `unchanged`: the latest version holds this content already. */
      readonly status: 'created' | 'unchanged';
      readonly version: Version;
      readonly position: Position;
      readonly findings: readonly Finding[];
    }
  | NotAsSeen
  | { readonly status: 'invalid'; readonly findings: readonly Finding[] };

/** `stands`: the version, or the revision of the draft, that stands there; `null`: none. */
export type NotAsSeen = { readonly status: 'precondition-failed'; readonly stands: number | null };

export type DraftReply =
  | {
      readonly status: 'saved';
      readonly draft: StoredDefinition;
      readonly position: Position;
      readonly findings: readonly Finding[];
    }
  | NotAsSeen
  | { readonly status: 'invalid'; readonly findings: readonly Finding[] };

export type DiscardReply =
  | { readonly status: 'discarded'; readonly position: Position }
  | { readonly status: 'no-draft' }
  | NotAsSeen
  | { readonly status: 'unknown-workflow'; readonly nearest: readonly string[] };

export type ArchiveReply =
  /** Also when it was archived before. */
  | { readonly status: 'archived'; readonly archivedAt: string; readonly position: Position }
  | NotAsSeen
  | { readonly status: 'unknown-workflow'; readonly nearest: readonly string[] };

/** What a run is started with. */
export type FoundPlan = {
  readonly status: 'found';
  readonly hash: string;
  readonly plan: Plan;
  readonly version: number | 'draft';
  /** Default tags, merged under the run's own. */
  readonly tags: Readonly<Record<string, string>>;
};

export type PlanReply =
  | FoundPlan
  | { readonly status: 'unknown-workflow'; readonly nearest: readonly string[] }
  /** `latest` is `null` while there is only a draft. */
  | { readonly status: 'unknown-version'; readonly latest: number | null; readonly draft: boolean }
  | { readonly status: 'archived' };

/** `null`: the latest version. */
export type WantedVersion = number | 'draft' | null;
