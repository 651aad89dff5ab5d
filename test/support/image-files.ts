/** One instruction of a Dockerfile; `args` with continued lines joined by one space. */
export type Instruction = { readonly name: string; readonly args: string };

/** As much of a Dockerfile's grammar as ours uses: comments, continued lines, no here-documents. */
export const dockerfileInstructions = (text: string): readonly Instruction[] =>
  text
    .split('\n')
    .filter((line) => !line.startsWith('#'))
    .join('\n')
    .replace(/\\\n\s*/g, ' ')
    .split('\n')
    .filter((line) => line.trim() !== '')
    .map((line) => {
      const [, name, args] = /^([A-Z]+)\s+(.*)$/.exec(line.replace(/\s+/g, ' ')) ?? [];
      if (name === undefined || args === undefined) throw new Error(`no instruction of a Dockerfile: ${line}`);
      return { name, args };
    });

/** The first words that `docker/entrypoint.sh` takes: the patterns of its `case`. */
export const entrypointNames = (script: string): readonly string[] =>
  [...script.matchAll(/^ {2}([a-z| -]+)\) entry=/gm)].flatMap(([, patterns]) => patterns!.split(' | '));
