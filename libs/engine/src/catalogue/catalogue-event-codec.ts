import { parseJson, type CatalogueEvent, type Plan } from '#domain';
import { UnknownEvent, type NewEvent, type RecordedEvent } from '#event-store';
import { canonicalJson } from '#runtime';
import { fromStoredPlan, toStoredPlan, type StoredPlan } from './stored-plan.js';

const VERSION = 1;
const TYPES: readonly string[] = [
  'WorkflowPublished',
  'DraftSaved',
  'DraftDiscarded',
  'WorkflowArchived',
] satisfies readonly CatalogueEvent['type'][];

export const encodeCatalogueEvent = (event: CatalogueEvent): NewEvent => {
  const { type, ...stored } = event;
  return { type, v: VERSION, data: JSON.stringify(stored) };
};

/** An event of the catalogue from its stored form. The doorway where upcasters stand. */
export const decodeCatalogueEvent = ({ type, v, data }: RecordedEvent): CatalogueEvent => {
  if (v !== VERSION || !TYPES.includes(type)) throw new UnknownEvent(type, v);
  // What `encodeCatalogueEvent` made: shapes are for ever, and nothing else writes to this stream.
  return { type, ...(parseJson(data) as object) } as CatalogueEvent;
};

/** The one event of a text's stream. */
export const encodeText = (text: string): NewEvent => ({
  type: 'TextStored',
  v: VERSION,
  data: JSON.stringify({ text }),
});

export const decodeText = ({ type, v, data }: RecordedEvent): string => {
  if (v !== VERSION || type !== 'TextStored') throw new UnknownEvent(type, v);
  // What `encodeText` made.
  return (JSON.parse(data) as { text: string }).text;
};

/** What the hash of a plan is of, and what is stored. */
export const planText = (plan: Plan): string => canonicalJson(toStoredPlan(plan));

/** The one event of a plan's stream, of the plan's text. */
export const encodePlan = (text: string): NewEvent => ({ type: 'PlanStored', v: VERSION, data: `{"plan":${text}}` });

export const decodePlan = ({ type, v, data }: RecordedEvent): Plan => {
  if (v !== VERSION || type !== 'PlanStored') throw new UnknownEvent(type, v);
  // What `encodePlan` made.
  return fromStoredPlan((parseJson(data) as { plan: StoredPlan }).plan);
};
