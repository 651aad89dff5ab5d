import { SETTINGS, type Setting } from './settings.js';

const HEAD = `# Configuration

Settings are environment variables, read once at the start. A wrong value, or a name that begins with \`STEPWELL_\` and is
not listed here, stops the start with the name, what is wrong with it, and the nearest known name.

This page is written from \`libs/runtime/src/settings.ts\` by \`npm run config:write\`.
`;

type Named = Setting<unknown> & { readonly name: string };

/** A table as the formatter would leave it: columns padded to their widest cell. */
const table = (rows: readonly (readonly string[])[]): string => {
  const widths = rows[0]!.map((_, column) => Math.max(...rows.map((row) => row[column]!.length)));
  const line = (cells: readonly string[]): string =>
    `| ${cells.map((cell, column) => cell.padEnd(widths[column]!)).join(' | ')} |`;
  const rule = widths.map((width) => '-'.repeat(width));
  return [line(rows[0]!), line(rule), ...rows.slice(1).map(line)].join('\n');
};

const section = (group: string, settings: readonly Named[]): string => {
  const head = ['name', 'unit', 'default', 'what it does'];
  const rows = settings.map((each) => [`\`${each.name}\``, each.unit, `\`${each.default}\``, each.description]);
  return `## ${group}\n\n${table([head, ...rows])}\n`;
};

/** The whole text of `docs/configuration.md`. */
export const configPage = (): string => {
  const all: readonly Named[] = Object.entries(SETTINGS).map(([name, setting]) => ({ name, ...setting }));
  const groups = [...new Set(all.map((each) => each.group))];
  const sections = groups.map((group) =>
    section(
      group,
      all.filter((each) => each.group === group),
    ),
  );
  return [HEAD, ...sections].join('\n');
};
