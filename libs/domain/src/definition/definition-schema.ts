import { RULE_MEMBERS } from '../nodes/choice.js';
import { NODE_KINDS } from '../nodes/node-kinds.js';
import { NODE_TYPES, type NodeType } from '../plan.js';
import { RETRY_MEMBERS, RUN_TIMEOUT_MEMBERS, TIMEOUT_MEMBERS } from './attempt-rules.js';
import { DEFINITION_MEMBERS } from './definition-members.js';
import { VALUE_SCHEMA } from './given.js';
import type { CompileLimits } from './limits.js';
import type { JsonSchema, MemberTable } from './member-kind.js';

/** The schema's name of a type of node: `StepNode`. */
export const nodeSchemaName = (type: NodeType): string => `${type.charAt(0).toUpperCase()}${type.slice(1)}Node`;

/**
 * JSON Schemas of a definition and of all that stands in it, by name, made from the tables that the compiler reads by. They lead
 * to each other as `#/$defs/<name>`. What only the compiler can say (names that stand twice, urls that lead nowhere, the
 * size of the whole) is not in them.
 */
export const definitionSchemas = (limits: CompileLimits): Readonly<Record<string, JsonSchema>> => {
  const schemaOf = <Values>(description: string, table: MemberTable<Values>): JsonSchema =>
    objectSchema({ description, table }, limits);
  return {
    Definition: schemaOf('A definition in the tree format: what a workflow does.', DEFINITION_MEMBERS),
    TreeNode: {
      description: 'A node of the tree, by its type.',
      oneOf: NODE_TYPES.map((type) => ({ $ref: `#/$defs/${nodeSchemaName(type)}` })),
    },
    ...Object.fromEntries(
      NODE_TYPES.map((type) => {
        const { members } = NODE_KINDS[type];
        return [nodeSchemaName(type), schemaOf(members.type.description, members)];
      }),
    ),
    Retry: schemaOf('When a failed attempt is made again.', RETRY_MEMBERS),
    StepTimeouts: schemaOf('How long a step may take.', TIMEOUT_MEMBERS),
    Timeouts: schemaOf('How long a step may take, and a whole run.', RUN_TIMEOUT_MEMBERS),
    Value: VALUE_SCHEMA,
    ChoiceRule: schemaOf('One way of a choice, and when it is taken.', RULE_MEMBERS),
  };
};

/** The schema of a definition as one document, as editors take it. */
export const definitionSchema = (limits: CompileLimits): JsonSchema => {
  const { Definition, ...others } = definitionSchemas(limits);
  return {
    $schema: 'https://json-schema.org/draft/2020-12/schema',
    title: 'Stepwell definition',
    ...Definition,
    $defs: others,
  };
};

type Shown<Values> = { readonly description: string; readonly table: MemberTable<Values> };

const objectSchema = <Values>({ description, table }: Shown<Values>, limits: CompileLimits): JsonSchema => {
  const properties: [string, JsonSchema][] = [];
  const required: string[] = [];
  for (const key in table) {
    const member = table[key];
    const byDefault = member.byDefault === undefined ? {} : { default: member.byDefault };
    properties.push([key, { ...member.schema(limits), description: member.description, ...byDefault }]);
    // The reader of nodes looks for the type itself, before it knows the table.
    if (member.required !== undefined || key === 'type') required.push(key);
  }
  return {
    description,
    type: 'object',
    properties: Object.fromEntries(properties),
    ...(required.length === 0 ? {} : { required }),
    additionalProperties: false,
  };
};
