import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from '@jest/globals';
import { Ajv2020, type ErrorObject } from 'ajv/dist/2020.js';
import { withEventTables } from './events-page.js';
import { RUN_EVENT_TYPES } from './run-event-codec.js';
import { RUN_EVENT_SCHEMAS } from './run-event-schemas.js';

const ROOT = join(import.meta.dirname, '../../../..');
type Golden = { readonly type: string; readonly data: Record<string, unknown> };
// What the codec's specs write and read.
const golden = JSON.parse(
  readFileSync(join(ROOT, 'libs/event-store/testing/golden-run-events.json'), 'utf8'),
) as readonly Golden[];

const faults = (type: string, data: unknown): readonly ErrorObject[] => {
  // Formats have no part in what is tested here.
  const fits = new Ajv2020({ allErrors: true, validateFormats: false, allowUnionTypes: true });
  const check = fits.compile(RUN_EVENT_SCHEMAS.get(type)!);
  return check(data) ? [] : check.errors!;
};

/** The places of all objects in a value that we make: payloads are the workflow's. */
const placesOf = (value: unknown, path = ''): readonly string[] => {
  if (typeof value !== 'object' || value === null) return [];
  const own = Array.isArray(value) ? [] : [path];
  return [...own, ...Object.entries(value).flatMap(([name, inner]) => placesOf(inner, `${path}/${name}`))];
};
const PAYLOADS = /^\/(input|output|mapped|items|variables|tags|content)(\/|$)|\/headers$/;

describe('the schemas of events', () => {
  it('are of all types, each with its version', () => {
    expect([...RUN_EVENT_SCHEMAS.keys()]).toEqual(RUN_EVENT_TYPES);
    for (const [type, { title }] of RUN_EVENT_SCHEMAS) expect(title).toBe(type);
  });

  it.each(golden)('fit what is stored: $type', ({ type, data }) => {
    expect(faults(type, data)).toEqual([]);
  });

  it.each(golden)('know every member, and miss each: $type', ({ type, data }) => {
    const { required, oneOf = [] } = RUN_EVENT_SCHEMAS.get(type)!;
    const needed = new Set([...required, ...oneOf.flatMap((way) => way.required)]);
    for (const name of Object.keys(data)) {
      const { [name]: _, ...less } = data;
      expect([name, faults(type, less).length > 0]).toEqual([name, needed.has(name)]);
      // An object in place of a text, a number in place of an object.
      const other = typeof data[name] === 'object' && data[name] !== null ? 7 : {};
      const isPayload = PAYLOADS.test(`/${name}`) && name !== 'tags';
      expect([name, faults(type, { ...data, [name]: other }).length > 0]).toEqual([name, !isPayload]);
    }
    for (const place of placesOf(data).filter((path) => !PAYLOADS.test(path))) {
      const more = structuredClone(data);
      const at = place.split('/').slice(1);
      // Objects, by `placesOf`.
      const object = at.reduce<Record<string, unknown>>((inner, name) => inner[name] as Record<string, unknown>, more);
      object['unheardOf'] = 1;
      expect([place, faults(type, more).length > 0]).toEqual([place, true]);
    }
  });
});

it('stand in docs/events.md, by `npm run events:write`', () => {
  const page = readFileSync(join(ROOT, 'docs/events.md'), 'utf8');
  expect(withEventTables(page)).toBe(page);
  for (const type of RUN_EVENT_TYPES) expect(page).toContain(`### ${type}\n`);
});
