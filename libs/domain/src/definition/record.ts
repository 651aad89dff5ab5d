/** Whether a value is an object with members, as a parser of JSON or YAML makes it. */
export const isRecord = (value: unknown): value is Readonly<Record<string, unknown>> =>
  typeof value === 'object' && value !== null && !Array.isArray(value);
