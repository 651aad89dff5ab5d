import type { JsonText } from '../payload.js';

/** JSONata's own rule of truth (`$boolean`), of JSON; nothing is false. */
export const isTrue = (value: JsonText | null): boolean => value !== null && holds(JSON.parse(value));

const holds = (value: unknown): boolean => {
  if (Array.isArray(value)) return value.some(holds);
  if (typeof value === 'object' && value !== null) return Object.keys(value).length > 0;
  return Boolean(value);
};
