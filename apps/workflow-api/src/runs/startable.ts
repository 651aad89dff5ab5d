import type { Plan } from '#domain';
import type { Start } from './start-run.js';

/** What a run is started with, out of the catalogue. */
export type Startable = {
  readonly plan: Plan;
  /** SHA-256 (hex) of the plan as it is stored. */
  readonly hash: string;
  readonly version: number | 'draft' | null;
  /** The definition's default tags. */
  readonly tags: Readonly<Record<string, string>>;
};

/** Where plans come from. What is not there is thrown as the problem to answer. */
export interface StartablePlans {
  /** Known already, and surely current; `null` when it must be looked up. */
  cached(workflow: string, version: number | 'draft' | null): Startable | null;
  find(workflow: string, version: number | 'draft' | null): Promise<Startable>;
  /** Compiles and stores an inline definition, of which nothing but the plan is kept. */
  inline(definition: unknown, text: string): Promise<Startable>;
}

export const toStartable = (
  { request, definitionText }: Start,
  plans: StartablePlans,
): Startable | Promise<Startable> => {
  const { workflow, version = null, definition } = request;
  if (workflow === undefined) return plans.inline(definition, definitionText);
  return plans.cached(workflow, version) ?? plans.find(workflow, version);
};
