import { RUN_EVENT_SCHEMAS, type EventSchema } from './run-event-schemas.js';

const BEGIN = '<!-- written by npm run events:write -->\n';
const END = '<!-- end -->\n';

/** The page of events with the part that is written from the schemas. */
export const withEventTables = (page: string): string => {
  const [before, rest] = [page.slice(0, page.indexOf(BEGIN)), page.slice(page.indexOf(END))];
  return `${before}${BEGIN}\n${[...RUN_EVENT_SCHEMAS.values()].map(section).join('\n')}\n${rest}`;
};

const section = ({ title, description, properties, required, oneOf = [] }: EventSchema): string => {
  const ways = new Set(oneOf.flatMap((way) => way.required));
  const mark = (name: string): string => (required.includes(name) ? '' : ways.has(name) ? ' (or)' : ' (rarely)');
  const rows = Object.entries(properties).map(([name, member]) => [
    `\`${name}\`${mark(name)}`,
    kindOf(member as Kind), // what the schemas are made of
    member.description,
  ]);
  return `### ${title}\n\n${description}\n\n${table([['member', 'is', 'what it says'], ...rows])}`;
};

/** As Prettier writes it. */
const table = (rows: readonly (readonly string[])[]): string => {
  const widths = rows[0]!.map((_, column) => Math.max(...rows.map((row) => row[column]!.length)));
  const line = (cells: readonly string[]): string =>
    `| ${cells.map((cell, column) => cell.padEnd(widths[column]!)).join(' | ')} |\n`;
  const [head, ...body] = rows;
  return line(head!) + line(widths.map((width) => '-'.repeat(width))) + body.map(line).join('');
};

type Kind = {
  readonly type?: string | readonly string[];
  readonly format?: string;
  readonly enum?: readonly unknown[];
  readonly const?: string;
  readonly oneOf?: readonly Kind[];
  readonly items?: Kind;
  readonly properties?: Readonly<Record<string, Kind>>;
};

/** A schema in a few words. */
const kindOf = (schema: Kind): string => {
  if (schema.oneOf !== undefined) return schema.oneOf.map(kindOf).join(' or ');
  if (schema.enum !== undefined) return schema.enum.map((value) => `\`${String(value)}\``).join(' or ');
  if (schema.const !== undefined) return `\`${schema.const}\``;
  if (schema.type === undefined) return 'any JSON';
  const words = [schema.type].flat().map((type) => {
    if (type === 'null') return '`null`';
    if (type === 'array') return `list of ${kindOf(schema.items ?? {})}`;
    if (type === 'object') {
      const names = Object.keys(schema.properties ?? {}).map((name) => `\`${name}\``);
      return names.length === 0 ? 'object of texts' : `object of ${names.join(', ')}`;
    }
    if (type === 'string') return schema.format === 'date-time' ? 'instant' : 'text';
    return { integer: 'number', boolean: '`true` or `false`' }[type] ?? type;
  });
  return words.join(' or ');
};
