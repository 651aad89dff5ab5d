import type { Finding, StoredDefinition, Version, Workflow } from '#domain';

/** A version without its document. */
export const versionShape = (
  name: string,
  { version, contentHash, plan, format, description, tags, storedAt }: Version,
) => ({
  name,
  version,
  hash: contentHash,
  plan,
  format,
  description,
  tags,
  createdAt: storedAt,
});

export const draftShape = (
  name: string,
  { contentHash, plan, format, description, tags, storedAt }: StoredDefinition,
) => ({
  name,
  version: 'draft' as const,
  hash: contentHash,
  plan,
  format,
  description,
  tags,
  createdAt: storedAt,
});

/** A workflow as a list shows it: its latest version, and whether there is more to it. */
export const workflowShape = ({ name, createdAt, versions, archivedAt, draft }: Workflow) => {
  const latest = versions.at(-1) ?? null;
  return {
    name,
    latestVersion: latest?.version ?? null,
    description: latest?.description ?? draft?.description ?? null,
    tags: latest?.tags ?? draft?.tags ?? {},
    createdAt,
    updatedAt: latest?.storedAt ?? draft?.storedAt ?? null,
    archivedAt,
    draftSavedAt: draft?.storedAt ?? null,
  };
};

/** What an author sent: as JSON, and as the text of it where that was YAML. */
export type Document = { readonly definition: unknown; readonly source: string | null };

export type ShownFinding = Finding & { readonly line: number | null; readonly column: number | null };
