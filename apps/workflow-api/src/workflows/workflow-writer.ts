import { Inject, Injectable } from '@nestjs/common';
import type { IncomingHttpHeaders } from 'node:http';
import type { Finding } from '#domain';
import { Catalogue, compileDefinition, type Origin } from '#engine';
import type { Config } from '#runtime';
import { CONFIG } from '../../../modules/src/tokens.js';
import type { Answer } from '../http/answer.js';
import { DEFINITION_TYPES, parseMediaType } from '../http/request-body.js';
import { textProblem } from '../http/json-body.js';
import { HttpProblem } from '../http/problems.js';
import { parseTraceparent } from '../http/traceparent.js';
import { unknownWorkflow } from './catalogue-plans.js';
import { parseDefinition, type ParsedDefinition } from './definition-document.js';
import { invalidDefinition } from './definition-problem.js';
import { entityTag, parsePrecondition } from './entity-tags.js';
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
    const precondition = parsePrecondition(headers);
    const parsed = this.#parse(headers, bytes);
    const reply = await this.#catalogue.publish(name, parsed.body, { precondition, origin: originOf(headers) });
    if (reply.status === 'invalid') throw invalidDefinition(reply.findings, parsed);
    if (reply.status === 'precondition-failed') throw notAsSeen(name, reply.latest);
    const { version, position, findings } = reply;
    const text = JSON.stringify({ ...versionShape(name, version), findings: shown(findings, parsed) });
    return {
      ...{ text, position, etag: entityTag(version.version), status: reply.status === 'created' ? 201 : 200 },
      headers: { location: `/v1/workflows/${name}/versions/${version.version}` },
    };
  }

  async saveDraft(name: string, headers: IncomingHttpHeaders, bytes: unknown): Promise<Answer> {
    const parsed = this.#parse(headers, bytes);
    const reply = await this.#catalogue.saveDraft(name, parsed.body, originOf(headers));
    if (reply.status === 'invalid') throw invalidDefinition(reply.findings, parsed);
    return {
      text: JSON.stringify({ ...draftShape(name, reply.draft), findings: shown(reply.findings, parsed) }),
      position: reply.position,
    };
  }

  async archive(name: string, headers: IncomingHttpHeaders): Promise<Answer> {
    const reply = await this.#catalogue.archive(name, originOf(headers));
    if (reply.status === 'unknown-workflow') throw unknownWorkflow(name, reply.nearest, 'name');
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

const originOf = (headers: IncomingHttpHeaders): Origin => ({
  actor: null,
  traceparent: parseTraceparent(headers['traceparent']),
});

const notAsSeen = (name: string, latest: number | null): HttpProblem => {
  const stands = latest === null ? 'it has no version now' : `its latest version is ${latest}`;
  return new HttpProblem({
    code: 'precondition-failed',
    detail: `The workflow ${JSON.stringify(name)} is not as the request wants it: ${stands}. Nothing was published.`,
    ...(latest === null ? undefined : { headers: { etag: `"${latest}"` } }),
  });
};

const shown = (findings: readonly Finding[], { placeOf }: ParsedDefinition): readonly ShownFinding[] =>
  findings.map((finding) => ({ ...finding, line: null, column: null, ...placeOf(finding.pointer) }));
