import { startSampleApp } from './sample-app.js';

const LEDGER_ENTRIES_MAX = 1_000_000;

const wholeNumber = (name: string, otherwise: number): number => {
  const text = process.env[name];
  if (text === undefined) return otherwise;
  if (/^\d{1,9}$/.test(text)) return Number(text);
  process.stderr.write(`${name} must be a whole number, but is ${JSON.stringify(text)}\n`);
  process.exit(1);
};

const app = await startSampleApp({
  host: process.env['HOST'] ?? '127.0.0.1',
  port: wholeNumber('PORT', 4000),
  ledgerMaxEntries: wholeNumber('LEDGER_ENTRIES', LEDGER_ENTRIES_MAX),
}).catch((fault: unknown) => {
  process.stderr.write(`the sample application cannot start: ${String(fault)}\n`);
  process.exit(1);
});

process.stdout.write(`sample application on ${app.url}\n`);

// A signal to a process group comes twice within a millisecond: stopping once is enough.
let stopping = false;
const stop = (): void => {
  if (stopping) return;
  stopping = true;
  void app.stop();
};
process.on('SIGTERM', stop);
process.on('SIGINT', stop);
