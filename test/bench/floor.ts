/**
 * The floor: a bare Node program that does only what cannot be avoided for the same flows. It accepts the POST, appends
 * to a log with fdatasync where a durable engine must (appends that arrive during a sync form the next), makes the
 * POSTs of the steps and answers. No definitions, no retries, no recovery, no views: what is measured against it is
 * what these cost.
 */
import { fdatasync, openSync, write } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { Pool } from 'undici';

const [folder, target] = process.argv.slice(2);
if (folder === undefined || target === undefined)
  throw new Error('usage: floor.js <folder> <origin of the application>');

const CONNECTIONS = 256;
const log = openSync(join(folder, 'floor.log'), 'a');
const pool = new Pool(target, { connections: CONNECTIONS, pipelining: 1 });

let pendingLines: string[] = [];
let pendingCalls: (() => void)[] = [];
let syncing = false;
let appends = 0;

const append = (line: string, call: () => void): void => {
  appends++;
  pendingLines.push(line);
  pendingCalls.push(call);
  if (!syncing) sync();
};

const sync = (): void => {
  syncing = true;
  const calls = pendingCalls;
  const lines = Buffer.from(pendingLines.join(''));
  pendingLines = [];
  pendingCalls = [];
  const fail = (fault: Error | null): void => {
    if (fault !== null) throw fault;
  };
  write(log, lines, 0, lines.length, null, (fault) => {
    fail(fault);
    fdatasync(log, (syncFault) => {
      fail(syncFault);
      for (const call of calls) call();
      if (pendingCalls.length > 0) sync();
      else syncing = false;
    });
  });
};

const post = (path: string, key: string, body: string, call: (answer: string) => void): void => {
  let answer = '';
  pool.dispatch(
    { method: 'POST', path, headers: ['content-type', 'application/json', 'idempotency-key', key], body },
    {
      onRequestStart: () => {},
      onResponseStart: (_controller, status) => {
        if (status !== 200) throw new Error(`the application answered ${status}`);
      },
      onResponseData: (_controller, chunk) => {
        answer += chunk.toString();
      },
      onResponseEnd: () => call(answer),
      onResponseError: (_controller, fault) => {
        throw fault;
      },
    },
  );
};

let runs = 0;

const perform = (body: string, answer: (text: string) => void): void => {
  const { workflow, input } = JSON.parse(body) as { workflow: string; input: unknown };
  const id = `floor-${process.pid}-${++runs}`;
  append(`${id} started ${body}\n`, () => {
    post('/steps/create-user', `${id}-1`, JSON.stringify(input), (user) => {
      if (workflow.endsWith('single')) {
        append(`${id} completed ${user}\n`, () => answer(`{"id":"${id}","status":"completed","output":${user}}`));
        return;
      }
      append(`${id} create-user ${user}\n`, () => {
        let open = 2;
        const outputs: string[] = ['', ''];
        const ended = (branch: number, output: string): void => {
          append(`${id} branch ${branch} ${output}\n`, () => {
            outputs[branch] = output;
            if (--open === 0) answer(`{"id":"${id}","status":"completed","output":[${outputs.join(',')}]}`);
          });
        };
        post('/steps/send-email', `${id}-2`, user, (output) => ended(0, output));
        post('/steps/send-analytics', `${id}-3`, user, (output) => ended(1, output));
      });
    });
  });
};

const server = createServer({ keepAliveTimeout: 120_000 }, (request, response) => {
  if (request.method === 'GET') {
    response.end(`{"appends":${appends}}`);
    return;
  }
  let body = '';
  request.on('data', (chunk: Buffer) => {
    body += chunk.toString();
  });
  request.on('end', () =>
    perform(body, (text) => {
      response.writeHead(200, ['content-type', 'application/json', 'content-length', String(Buffer.byteLength(text))]);
      response.end(text);
    }),
  );
});
server.listen(0, '127.0.0.1', () =>
  process.stdout.write(`floor on http://127.0.0.1:${(server.address() as AddressInfo).port}\n`),
);
process.on('SIGTERM', () => process.exit(0));
