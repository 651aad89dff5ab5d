import type { JsonFault, JsonFaultCode, JsonLimits } from '#runtime';

/** Why a definition's text is refused, and where. */
export type DefinitionFault = Omit<JsonFault, 'code'> & { readonly code: JsonFaultCode | 'malformed-yaml' };

/** 32 nested nodes are 64 levels, and a constant of 64 may stand in the innermost; 10,000 nodes have some members each. */
export const DEFINITION_LIMITS: JsonLimits = { maxDepth: 128, maxKeys: 100_000 };
