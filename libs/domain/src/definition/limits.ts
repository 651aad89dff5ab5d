/** What one definition may hold. */
export type CompileLimits = {
  /** Of a constant, as JSON. */
  readonly payloadMaxBytes: number;
  /** Of the document as it came, and of the plan as it is stored: the caller sees to both. */
  readonly definitionMaxBytes: number;
  readonly planNodesMax: number;
  readonly nestingMax: number;
  /** Of one parallel. */
  readonly branchesMax: number;
  readonly tagsMax: number;
};

export const DEFAULT_COMPILE_LIMITS: CompileLimits = {
  payloadMaxBytes: 256 * 1024,
  definitionMaxBytes: 512 * 1024,
  planNodesMax: 10_000,
  nestingMax: 32,
  branchesMax: 1_000,
  tagsMax: 50,
};
