import { quoted } from './finding.js';
import { CONTROL, text, type Kind } from './member-kind.js';

/** 1 to 255 characters, no control characters, no "*", no space around. */
const ERROR_NAME = `[^\\s*${CONTROL}](?:[^*${CONTROL}]{0,253}[^\\s*${CONTROL}])?`;
const ERROR_NAME_PATTERN = `^${ERROR_NAME}$`;
/** The same, or with any end. */
const ERROR_NAMES_PATTERN = `^(?:${ERROR_NAME}|\\*|[^\\s*${CONTROL}][^*${CONTROL}]{0,253}\\*)$`;

const named = (pattern: string, rule: string): Kind<string> => {
  const matcher = new RegExp(pattern, 'u');
  const flaw = (given: string): string | null =>
    matcher.test(given) ? null : `${quoted(given)} is no error name: 1 to 255 characters, ${rule}`;
  return text({ pattern, flaw });
};

/** The name of one error. */
export const errorName = named(ERROR_NAME_PATTERN, 'no control characters or "*", no space around');

/** The name of an error, or of all that begin alike: `HTTP.*`. */
export const errorNames = named(ERROR_NAMES_PATTERN, 'no control characters, "*" only at the end');
