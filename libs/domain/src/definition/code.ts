import { partsOf } from '../expressions/computed.js';
import { inPlace } from '../expressions/in-place.js';
import { parse } from '../expressions/parse.js';
import { NAMES, unknownNames } from '../expressions/unknown-names.js';
import type { Expression } from '../plan.js';
import { quoted } from './finding.js';
import { nearestName } from './known-name.js';
import { refuse, type Kind, type Place } from './member-kind.js';
import { isRecord } from './record.js';

const LONE_PATTERN = '^\\s*\\{%[\\s\\S]*%\\}\\s*$';

export const SCRIPTS_UNAVAILABLE = 'Scripts ({ js: … }) are not available in this version';

/** Whether it is a script, `{ js: … }`. */
export const isScript = (value: unknown): boolean =>
  isRecord(value) && Object.keys(value).length === 1 && typeof value['js'] === 'string';

/** One expression. */
export const code: Kind<Expression> = {
  schema: () => ({ type: 'string', pattern: LONE_PATTERN }),
  read: (value, place) => {
    if (isScript(value)) return refuse(place, SCRIPTS_UNAVAILABLE);
    const [before, source, after, ...more] = typeof value === 'string' ? partsOf(value) : [];
    if (source === undefined || more.length > 0 || `${before}${after}`.trim() !== '')
      return refuse(place, `${place.label} must be one expression: "{% … %}"`);
    return areGood(String(value), place) ? { language: 'jsonata', source: source.trim() } : undefined;
  },
};

/** Whether all expressions in a text can be evaluated; what is wrong with them is found. */
export const areGood = (text: string, place: Place): boolean => {
  const parts = partsOf(text);
  let good = true;
  // Behind the first `{%`.
  let at = (parts[0] ?? '').length + 2;
  for (const [index, part] of parts.entries()) {
    if (index === 0) continue;
    const flaw = index % 2 === 1 ? flawOf(part, at) : null;
    if (flaw !== null) {
      refuse(place, flaw);
      good = false;
    } else if (index % 2 === 1) warnOfNames(part, text, place);
    at += part.length + 2;
  }
  if (!(parts.at(-1) ?? '').includes('{%')) return good;
  refuse(place, 'This opens an expression with {% and does not close it with %}');
  return false;
};

/** A name that nothing stands for is allowed, and hardly ever meant. */
const warnOfNames = (source: string, text: string, { findings, pointer }: Place): void => {
  const parsed = parse(source);
  if ('flaw' in parsed || findings.isFull()) return;
  for (const name of unknownNames(parsed.syntax)) {
    const meant = nearestName(name, NAMES);
    const known = NAMES.map((each) => `$${each}`).join(', ');
    // As a whole word, so that no longer name is changed.
    const suggestion = meant === null ? null : text.split(new RegExp(`\\$${escaped(name)}(?!\\w)`)).join(`$${meant}`);
    findings.warning(
      pointer,
      `Nothing is named ${quoted(`$${name}`)}, so it gives nothing; known are ${known}`,
      suggestion,
    );
  }
};

const escaped = (name: string): string => name.replace(/[^\w]/g, '\\$&');

/** `from`: where the expression begins in its text. */
const flawOf = (source: string, from: number): string | null => {
  const parsed = parse(source);
  if ('flaw' in parsed) {
    const place = parsed.at === null ? '' : `, at character ${from + parsed.at + 1}`;
    return `This expression cannot be parsed: ${parsed.flaw}${place}`;
  }
  return inPlace(source) === null
    ? 'This expression is not available in this version: it calls or makes a function, has a regular expression or a range, or one of *, **, %, ^(…), #, @ or { … } in a path'
    : null;
};
