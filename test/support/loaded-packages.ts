import { existsSync, readFileSync } from 'node:fs';
import { dirname, join, normalize } from 'node:path';

/** What a walk from some built files has met, both in order of name. */
export type Loaded = { readonly packages: readonly string[]; readonly files: readonly string[] };

/** Static and dynamic imports, `require`, the entry files of worker threads. */
const SPECIFIERS = [
  /\bfrom\s+['"]([^'"]+)['"]/g,
  /\bimport\s*\(?\s*['"]([^'"]+)['"]/g,
  /\brequire(?:\.resolve)?\(\s*['"]([^'"]+)['"]/g,
  /\bcreateRequire\([^)]*\)(?:\.resolve)?\(\s*['"]([^'"]+)['"]/g,
  /\bnew URL\(\s*['"]([^'"]+)['"],\s*import\.meta\.url/g,
];

/**
 * All files of ours and all packages that built files load, at once or later, by what stands in their text. Reads more than
 * node would at a start: an import within a branch counts. Throws when a file is not there.
 */
export const packagesLoaded = (root: string, entries: readonly string[]): Loaded => {
  const packages = new Set<string>();
  const files = new Set<string>();
  const waiting = [...entries];
  for (let file = waiting.pop(); file !== undefined; file = waiting.pop()) {
    if (files.has(file)) continue;
    files.add(file);
    if (!existsSync(join(root, file))) throw new Error(`${file} is loaded, but is not there`);
    const text = readFileSync(join(root, file), 'utf8');
    for (const specifier of SPECIFIERS.flatMap((form) => [...text.matchAll(form)].map(([, found]) => found!))) {
      if (specifier.startsWith('node:')) continue;
      if (specifier.startsWith('#')) waiting.push(`dist/libs/${specifier.slice(1)}/src/index.js`);
      else if (specifier.startsWith('.')) waiting.push(normalize(join(dirname(file), specifier)));
      else packages.add(/^(@[^/]+\/)?[^/]+/.exec(specifier)![0]);
    }
  }
  return { packages: [...packages].sort(), files: [...files].sort() };
};
