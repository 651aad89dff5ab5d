import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { Pool } from 'undici';

const CONNECTIONS = 256;

/** Calls back when the line is durable. `run` names what belongs together. */
type FloorAppend = (run: string, line: string, call: () => void) => void;

export type FloorShape = {
  /** The start is appended apart from the first attempt: another process makes it. */
  readonly apart: boolean;
  /** The answers of the two branches are one append. */
  readonly joined: boolean;
};

/**
 * The flow of a floor, over whatever keeps its lines: accepts the POST, appends where a durable engine must, makes the
 * POSTs of the steps and answers.
 */
export const serveFloor = (target: string, write: FloorAppend, { apart, joined }: FloorShape): void => {
  let appends = 0;
  const append: FloorAppend = (run, line, call) => {
    appends++;
    write(run, line, call);
  };

  const post = poster(new Pool(target, { connections: CONNECTIONS, pipelining: 1 }));

  let runs = 0;

  const perform = (body: string, answer: (text: string) => void): void => {
    const { workflow, input } = JSON.parse(body) as { workflow: string; input: unknown };
    const id = `floor-${process.pid}-${++runs}`;
    const first = (): void => {
      post('/steps/create-user', `${id}-1`, JSON.stringify(input), (user) => {
        if (workflow.endsWith('single')) {
          append(id, `${id} completed ${user}\n`, () => answer(`{"id":"${id}","status":"completed","output":${user}}`));
          return;
        }
        append(id, `${id} create-user ${user}\n`, () => {
          let open = 2;
          const outputs: string[] = ['', ''];
          const ended = (branch: number, output: string): void => {
            outputs[branch] = output;
            if (joined && --open > 0) return;
            append(id, `${id} ${joined ? 'branches' : `branch ${branch}`} ${output}\n`, () => {
              if (joined || --open === 0) answer(`{"id":"${id}","status":"completed","output":[${outputs.join(',')}]}`);
            });
          };
          post('/steps/send-email', `${id}-2`, user, (output) => ended(0, output));
          post('/steps/send-analytics', `${id}-3`, user, (output) => ended(1, output));
        });
      });
    };
    const accepted = `${id} started ${body}\n`;
    if (apart) append(id, accepted, () => append(id, `${id} attempt 1\n`, first));
    else append(id, accepted, first);
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
        response.writeHead(200, [
          'content-type',
          'application/json',
          'content-length',
          String(Buffer.byteLength(text)),
        ]);
        response.end(text);
      }),
    );
  });
  server.listen(0, '127.0.0.1', () =>
    process.stdout.write(`floor on http://127.0.0.1:${(server.address() as AddressInfo).port}\n`),
  );
  process.on('SIGTERM', () => process.exit(0));
};

type Post = (path: string, key: string, body: string, call: (answer: string) => void) => void;

const poster =
  (pool: Pool): Post =>
  (path, key, body, call) => {
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
