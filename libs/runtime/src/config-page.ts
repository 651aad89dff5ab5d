import { markdownTable } from './markdown-table.js';
import { SETTINGS, type Setting } from './settings.js';

const HEAD = `# Configuration

Settings are environment variables, read once at the start. A wrong value stops the start, and so does a name that
begins with \`STEPWELL_\` and is not listed here. The process then says the name, what is wrong with it, and the nearest known name.

Proxies are not used: \`HTTP_PROXY\`, \`HTTPS_PROXY\` and \`NO_PROXY\` change nothing, and applications are called directly.

This page is written from \`libs/runtime/src/settings.ts\` by \`npm run config:write\`.
`;

type Named = Setting<unknown> & { readonly name: string };

const section = (group: string, settings: readonly Named[]): string => {
  const head = ['name', 'unit', 'default', 'what it does'];
  const rows = settings.map((each) => [`\`${each.name}\``, each.unit, `\`${each.default}\``, each.description]);
  return `## ${group}\n\n${markdownTable([head, ...rows])}\n`;
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
