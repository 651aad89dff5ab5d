import { Inject, Injectable } from '@nestjs/common';
import type { IncomingHttpHeaders } from 'node:http';
import type { Finding } from '#domain';
import { Catalogue, compileDefinition, type Asked, type NotAsSeen } from '#engine';
import type { Config } from '#runtime';
import { CONFIG } from '../../../modules/src/tokens.js';
import type { Answer } from '../http/answer.js';
import { DEFINITION_TYPES, parseMediaType } from '../http/request-body.js';
import { textProblem } from '../http/json-body.js';
import { entityTag, parsePrecondition } from '../http/preconditions.js';
import { HttpProblem } from '../http/problems.js';
import { originOf } from '../http/origin.js';
import { noDraft, unknownWorkflow } from './catalogue-plans.js';
import { parseDefinition, type ParsedDefinition } from './definition-document.js';
import { invalidDefinition } from './definition-problem.js';
import { draftShape, versionShape, type ShownFinding } from './workflow-json.js';

/** Publishes, drafts, archives and validates. Throws the problem to answer. */
@Injectable()
export class WorkflowWriter {
  readonly #catalogue: Catalogue;
  readonly #limits: Config['limits'];

  constructor(catalogue: Catalogue, @Inject(CONFIG) { limits }: Config) {
    this.#catalogue = catalogue;
    this.#limits = limits;
  }

  async publish(name: string, headers: IncomingHttpHeaders, bytes: unknown): Promise<Answer> {
    const asked = askedBy(headers);
    const parsed = this.#parse(headers, bytes);
    const reply = await this.#catalogue.publish(name, parsed.body, asked);
    if (reply.status === 'invalid') throw invalidDefinition(reply.findings, parsed);
    if (reply.status === 'precondition-failed') throw notAsSeen(name, 'version', reply);
    const { version, position, findings } = reply;
    const text = JSON.stringify({ ...versionShape(name, version), findings: shown(findings, parsed) });
    return {
      ...{ text, position, etag: entityTag(version.version), status: reply.status === 'created' ? 201 : 200 },
      headers: { location: `/v1/workflows/${name}/versions/${version.version}` },
    };
  }

  async saveDraft(name: string, headers: IncomingHttpHeaders, bytes: unknown): Promise<Answer> {
    const asked = askedBy(headers);
    const parsed = this.#parse(headers, bytes);
    const reply = await this.#catalogue.saveDraft(name, parsed.body, asked);
    if (reply.status === 'invalid') throw invalidDefinition(reply.findings, parsed);
    if (reply.status === 'precondition-failed') throw notAsSeen(name, 'draft', reply);
    const { draft, position, findings } = reply;
    const text = JSON.stringify({ ...draftShape(name, draft), findings: shown(findings, parsed) });
    return { text, position, etag: entityTag(draft.revision) };
  }

  async discardDraft(name: string, headers: IncomingHttpHeaders): Promise<Answer> {
    const reply = await this.#catalogue.discardDraft(name, askedBy(headers));
    if (reply.status === 'unknown-workflow') throw unknownWorkflow(name, reply.nearest, 'name');
    if (reply.status === 'no-draft') throw noDraft(name);
    if (reply.status === 'precondition-failed') throw notAsSeen(name, 'draft', reply);
    return { text: null, position: reply.position };
  }

  async archive(name: string, headers: IncomingHttpHeaders): Promise<Answer> {
    const reply = await this.#catalogue.archive(name, askedBy(headers));
    if (reply.status === 'unknown-workflow') throw unknownWorkflow(name, reply.nearest, 'name');
    if (reply.status === 'precondition-failed') throw notAsSeen(name, 'version', reply);
    return { text: JSON.stringify({ name, archivedAt: reply.archivedAt }), position: reply.position };
  }

  /** Stores nothing. */
  validate(headers: IncomingHttpHeaders, bytes: unknown): Answer {
    const parsed = this.#parse(headers, bytes);
    const { status, findings } = compileDefinition(parsed.body, this.#limits);
    return { text: JSON.stringify({ valid: status === 'compiled', findings: shown(findings, parsed) }) };
  }

  #parse(headers: IncomingHttpHeaders, given: unknown): ParsedDefinition {
    const media = parseMediaType(headers, DEFINITION_TYPES);
    if ('problem' in media) throw new HttpProblem(media.problem);
    const bytes = Buffer.isBuffer(given) ? given : Buffer.alloc(0);
    const { definitionMaxBytes } = this.#limits;
    if (bytes.length > definitionMaxBytes) {
      throw new HttpProblem({
        code: 'payload-too-large',
        detail: `The definition is larger than ${definitionMaxBytes} bytes.`,
      });
    }
    const parsed = parseDefinition(bytes, media.type === 'application/json' ? 'json' : 'yaml');
    if (parsed.status === 'refused') throw new HttpProblem(textProblem(parsed.fault));
    return parsed;
  }
}

/** Who asks, and what the request says to have seen. */
const askedBy = (headers: IncomingHttpHeaders): Asked => ({
  precondition: parsePrecondition(headers),
  origin: originOf(headers),
});

const notAsSeen = (name: string, of: 'version' | 'draft', { stands }: NotAsSeen): HttpProblem => {
  const now = of === 'draft' ? 'its draft has the ETag' : 'its latest version is';
  const stated = stands === null ? `it has no ${of} now` : `${now} ${of === 'draft' ? entityTag(stands) : stands}`;
  return new HttpProblem({
    code: 'precondition-failed',
    detail: `The workflow ${JSON.stringify(name)} is not as the request wants it: ${stated}. Nothing was changed.`,
    ...(stands === null ? undefined : { headers: { etag: entityTag(stands) } }),
  });
};

const shown = (findings: readonly Finding[], { placeOf }: ParsedDefinition): readonly ShownFinding[] =>
  findings.map((finding) => ({ ...finding, line: null, column: null, ...placeOf(finding.pointer) }));
