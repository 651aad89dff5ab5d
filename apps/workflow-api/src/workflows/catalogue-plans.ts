import { Inject, Injectable } from '@nestjs/common';
import { Catalogue, compileDefinition, type PlanReply, type WantedVersion } from '#engine';
import { parseAsWritten, type Config } from '#runtime';
import { CONFIG } from '../../../modules/src/tokens.js';
import { HttpProblem } from '../http/problems.js';
import { didYouMean } from '../http/validation.js';
import type { Startable, StartablePlans } from '../runs/startable.js';
import { invalidDefinition } from './definition-problem.js';

/** The plans of the catalogue, for starts. */
@Injectable()
export class CataloguePlans implements StartablePlans {
  readonly #catalogue: Catalogue;
  readonly #limits: Config['limits'];

  constructor(catalogue: Catalogue, @Inject(CONFIG) { limits }: Pick<Config, 'limits'>) {
    this.#catalogue = catalogue;
    this.#limits = limits;
  }

  cached(workflow: string, version: WantedVersion): Startable | null {
    return this.#catalogue.cachedPlanFor(workflow, version);
  }

  async find(workflow: string, version: WantedVersion): Promise<Startable> {
    const reply = await this.#catalogue.planFor(workflow, version);
    if (reply.status !== 'found') throw refusal(workflow, version, reply);
    return reply;
  }

  async inline(document: unknown, text: string): Promise<Startable> {
    const body = { document, written: parseAsWritten(text), text, format: 'json' } as const;
    const compiled = compileDefinition(body, this.#limits);
    if (compiled.status === 'invalid') throw invalidDefinition(compiled.findings, { below: '/definition' });
    return {
      plan: compiled.plan,
      hash: await this.#catalogue.storePlan(compiled.plan),
      version: null,
      tags: compiled.source.tags,
    };
  }
}

const refusal = (
  workflow: string,
  version: WantedVersion,
  reply: Exclude<PlanReply, { status: 'found' }>,
): HttpProblem => {
  switch (reply.status) {
    case 'unknown-workflow':
      return unknownWorkflow(workflow, reply.nearest, '/workflow');
    case 'archived':
      return new HttpProblem({
        code: 'workflow-archived',
        detail: `The workflow ${JSON.stringify(workflow)} is archived. Nothing was started.`,
      });
    case 'unknown-version':
      return version === 'draft' ? noDraft(workflow) : unknownVersion(workflow, version, reply.latest, reply.draft);
  }
};

export const unknownWorkflow = (name: string, nearest: readonly string[], pointer: string): HttpProblem => {
  const detail = `There is no workflow ${JSON.stringify(name.slice(0, 80))}.${didYouMean(nearest)}`;
  return new HttpProblem({ code: 'workflow-not-found', detail, errors: [{ pointer, detail }] });
};

/** `hasDraft`: it can be started by that name. */
export const unknownVersion = (
  name: string,
  version: number | null,
  latest: number | null,
  hasDraft: boolean,
): HttpProblem => {
  const known = latest === null ? 'it has none yet' : `the latest is ${latest}`;
  const wanted = version === null ? 'a published version' : `version ${version}`;
  return new HttpProblem({
    code: 'version-not-found',
    detail: `The workflow ${JSON.stringify(name)} does not have ${wanted}; ${known}.${latest === null && hasDraft ? ' It has a draft: start that by "version": "draft", or publish it.' : ''}`,
  });
};

export const noDraft = (name: string): HttpProblem =>
  new HttpProblem({ code: 'draft-not-found', detail: `The workflow ${JSON.stringify(name)} has no draft.` });
