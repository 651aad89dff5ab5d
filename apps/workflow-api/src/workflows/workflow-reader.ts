import { Injectable } from '@nestjs/common';
import { isName, type StoredDefinition, type Version, type Workflow } from '#domain';
import { Catalogue } from '#engine';
import type { Answer } from '../http/answer.js';
import { entityTag } from '../http/preconditions.js';
import { HttpProblem } from '../http/problems.js';
import { noDraft, unknownVersion, unknownWorkflow } from './catalogue-plans.js';
import { parseDefinition } from './definition-document.js';
import { shownDocument } from './shown-document.js';
import { draftShape, versionShape, workflowShape, type Document } from './workflow-json.js';
import type { VersionsQuery } from './endpoints/list-versions.js';
import type { WorkflowsQuery } from './endpoints/list-workflows.js';

/** What is read of the catalogue. Throws the problem to answer. */
@Injectable()
export class WorkflowReader {
  constructor(private readonly catalogue: Catalogue) {}

  list({ limit, cursor, archived }: WorkflowsQuery): Answer {
    const { items, more } = this.catalogue.list(parseNameCursor(cursor), limit, { archived });
    const last = items.at(-1);
    const nextCursor = more && last !== undefined ? nameCursor(last.name) : null;
    return { text: JSON.stringify({ items: items.map(workflowShape), nextCursor }) };
  }

  /** The workflow with the document of its latest version. */
  async workflow(name: string): Promise<Answer> {
    const workflow = await this.#workflow(name);
    const latest = workflow.versions.at(-1) ?? null;
    const document = latest === null ? { definition: null, source: null } : await this.#document(latest);
    return {
      text: JSON.stringify({ ...workflowShape(workflow), ...document }),
      etag: latest === null ? null : entityTag(latest.version),
    };
  }

  /** Newest first. */
  async versions(name: string, { limit, cursor }: VersionsQuery): Promise<Answer> {
    const { versions } = await this.#workflow(name);
    const newestFirst = versions.toReversed();
    const from = cursor === undefined ? 0 : newestFirst.findIndex((each) => each.version < Number(cursor));
    const page = from === -1 ? [] : newestFirst.slice(from, from + limit);
    const last = page.at(-1);
    const nextCursor = last === undefined || last.version === 1 ? null : String(last.version);
    return { text: JSON.stringify({ items: page.map((version) => versionShape(name, version)), nextCursor }) };
  }

  async version(name: string, version: number): Promise<Answer> {
    const found = await this.catalogue.version(name, version);
    if (found === null) {
      const { versions } = await this.#workflow(name);
      throw unknownVersion(name, version, versions.at(-1)?.version ?? null, false);
    }
    const text = JSON.stringify({ ...versionShape(name, found), ...(await this.#document(found)) });
    return { text, etag: entityTag(version) };
  }

  async draft(name: string): Promise<Answer> {
    const { draft } = await this.#workflow(name);
    if (draft === null) throw noDraft(name);
    const text = JSON.stringify({ ...draftShape(name, draft), ...(await this.#document(draft)) });
    return { text, etag: entityTag(draft.revision) };
  }

  async #workflow(name: string): Promise<Workflow> {
    const workflow = await this.catalogue.get(name);
    if (workflow === null) throw unknownWorkflow(name, this.catalogue.nearest(name), 'name');
    return workflow;
  }

  async #document({ revision, format }: Version | StoredDefinition): Promise<Document> {
    const text = await this.catalogue.documentAt(revision);
    if (text === null) throw new Error(`the catalogue holds no document at revision ${revision}`);
    const parsed = parseDefinition(text, format);
    if (parsed.status === 'refused')
      throw new Error(`the document at revision ${revision} of the catalogue cannot be read`);
    return shownDocument(parsed);
  }
}

/** The name itself in other clothes, so that nobody builds cursors. */
const nameCursor = (name: string): string => Buffer.from(name).toString('base64url');

const parseNameCursor = (cursor: string | undefined): string | null => {
  if (cursor === undefined) return null;
  const name = Buffer.from(cursor, 'base64url').toString();
  if (nameCursor(name) === cursor && isName(name)) return name;
  const detail = 'Give the nextCursor of a page of this very list.';
  throw new HttpProblem({
    code: 'cursor-invalid',
    detail: 'The cursor is not one of this list.',
    errors: [{ pointer: 'cursor', detail }],
  });
};
