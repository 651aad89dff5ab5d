/**
 * What a script was asked for. `--help` prints the usage and ends the process; so does whatever `read` throws at, with what was
 * wrong, on the error channel and with exit code 2.
 */
export const commandLine = <Asked>(usage: string, read: (args: string[]) => Asked): Asked => {
  const args = process.argv.slice(2);
  if (args.includes('--help') || args.includes('-h')) {
    process.stdout.write(`${usage}\n`);
    process.exit(0);
  }
  try {
    return read(args);
  } catch (error) {
    process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n${usage}\n`);
    process.exit(2);
  }
};
