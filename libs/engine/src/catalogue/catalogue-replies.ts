import type { Finding, Plan, StoredDefinition, Version } from '#domain';
import type { Position } from '#event-store';

/** `findings` of what was accepted are warnings. */
export type PublishReply =
  | {
      /** `unchanged`: the latest version holds this content already. */
      readonly status: 'created' | 'unchanged';
      readonly version: Version;
      readonly position: Position;
      readonly findings: readonly Finding[];
    }
  | { readonly status: 'precondition-failed'; readonly latest: number | null }
  | { readonly status: 'invalid'; readonly findings: readonly Finding[] };

export type DraftReply =
  | {
      readonly status: 'saved';
      readonly draft: StoredDefinition;
      readonly position: Position;
      readonly findings: readonly Finding[];
    }
  | { readonly status: 'invalid'; readonly findings: readonly Finding[] };

export type ArchiveReply =
  /** Also when it was archived before. */
  | { readonly status: 'archived'; readonly archivedAt: string; readonly position: Position }
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
  | { readonly status: 'unknown-version'; readonly latest: number | null }
  | { readonly status: 'archived' };

/** `null`: the latest version. */
export type WantedVersion = number | 'draft' | null;
