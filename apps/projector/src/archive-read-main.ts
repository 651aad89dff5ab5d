import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { ArchiveDamaged, readArchive, verifyArchive, type Verified } from '#retention';
import { commandLine, loadConfigOrExit } from '#runtime';

// npm run archive:read -- <file> [--run <id>]: lists the runs of an archive, or shows the events of one, an event a line.

const USAGE = `usage: npm run archive:read -- <file> [--run <id>]
  <file>      a path, or a name in the folder of archives (STEPWELL_ARCHIVE_DIR)
  --run <id>  shows the events of one run, a JSON object a line; without it the runs are listed`;

const asked = commandLine(USAGE, (args) => {
  const { values, positionals } = parseArgs({ args, allowPositionals: true, options: { run: { type: 'string' } } });
  const [file, ...others] = positionals;
  if (file === undefined || others.length > 0) throw new Error('Give the file of one archive.');
  return { file, run: values.run };
});

const main = async (): Promise<number> => {
  const { file, run } = asked;
  const inFolder = join(loadConfigOrExit(process.env).retention.archiveDir, file);
  const path = existsSync(file) ? file : inFolder;
  const verified = await verifyArchive(path);
  for (const note of verified.notes) complain(note, 0);
  return run === undefined ? list(path, verified) : show(path, verified, run);
};

const list = async (path: string, verified: Verified): Promise<number> => {
  let runs = 0;
  for await (const { run, line } of readArchive(path, verified)) {
    if (line !== null) continue;
    runs += 1;
    const workflow = run.workflow === null ? 'inline' : `${run.workflow}@${run.version}`;
    await write(
      `${run.id}  ${run.status.padEnd(9)}  ${run.finishedAt}  ${run.events} events  ${workflow}  ${run.key}\n`,
    );
  }
  return complain(`${runs} runs in ${path}`, 0);
};

/** A run may be there twice: the later one is shown. */
const show = async (path: string, verified: Verified, id: string): Promise<number> => {
  let copies = 0;
  for await (const { run, line } of readArchive(path, verified)) if (line === null && run.id === id) copies += 1;
  if (copies === 0) return complain(`There is no run ${id} in ${path}; without --run all are listed.`, 1);
  let copy = 0;
  for await (const { run, line } of readArchive(path, verified)) {
    if (run.id !== id) continue;
    if (line === null) copy += 1;
    else if (copy === copies) await write(`${line}\n`);
  }
  return 0;
};

const write = (text: string): Promise<void> =>
  new Promise((resolve) => {
    if (process.stdout.write(text)) resolve();
    else process.stdout.once('drain', resolve);
  });

const complain = (text: string, code: number): number => {
  process.stderr.write(`${text}\n`);
  return code;
};

try {
  process.exitCode = await main();
} catch (error) {
  if (!(error instanceof ArchiveDamaged)) throw error;
  process.exitCode = complain(`The archive is damaged: ${error.message}`, 1);
}
