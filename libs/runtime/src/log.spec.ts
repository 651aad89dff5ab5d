import { spawnSync } from 'node:child_process';
import { resolve } from 'node:path';
import { describe, expect, it } from '@jest/globals';
import { createLog, silentLog, type Log } from './log.js';

const linesOf = (write: (log: Log) => void, level: 'debug' | 'info' | 'warn' | 'silent' = 'info'): object[] => {
  const lines: object[] = [];
  const stream = { write: (line: string): void => void lines.push(JSON.parse(line) as object) };
  write(createLog({ level, format: 'json' }, stream));
  return lines;
};

describe('the log', () => {
  it('writes one JSON object a line, with the level by name and the time as an instant', () => {
    const lines = linesOf((log) => log.info('listening', { url: 'http://127.0.0.1:8080' }));
    const time = expect.stringMatching(/^\d{4}-\d\d-\d\dT[\d:.]+Z$/);
    expect(lines).toEqual([{ level: 'info', time, msg: 'listening', url: 'http://127.0.0.1:8080' }]);
  });

  it('leaves out lines below its level', () => {
    const write = (log: Log): void => {
      log.debug('a');
      log.info('b');
      log.warn('c');
      log.error('d');
    };
    expect(linesOf(write, 'warn')).toHaveLength(2);
    expect(linesOf(write, 'debug')).toHaveLength(4);
    expect(linesOf(write, 'silent')).toHaveLength(0);
  });

  it('never writes credentials or payloads, however deep in a request they stand', () => {
    const lines = linesOf((log) => {
      const headers = { authorization: 'hush', cookie: 'hush', host: 'here' };
      log.info('a', { authorization: 'hush', input: { card: 'hush' }, output: 'hush' });
      log.error('b', { req: { headers, body: 'hush' }, err: new Error('no') });
      log.child({ payload: 'hush' }).info('c', { headers });
    });
    expect(lines).toHaveLength(3);
    expect(JSON.stringify(lines)).not.toContain('hush');
    expect(JSON.stringify(lines)).toContain('here');
  });

  it('writes an error with its stack and cause', () => {
    const [line] = linesOf((log) => log.error('failed', { err: new Error('outer', { cause: new Error('inner') }) }));
    expect(line).toMatchObject({ err: { type: 'Error', stack: expect.stringMatching(/outer[^]*caused by[^]*inner/) } });
  });

  it('gives the fields of a child to each of its lines', () => {
    expect(linesOf((log) => log.child({ run: 'r1' }).info('x', { step: 's' }))).toMatchObject([
      { run: 'r1', step: 's' },
    ]);
  });

  it('is pretty when asked, and JSON by itself where standard output is no terminal', () => {
    const output = (format: string): string => {
      const log = JSON.stringify(resolve(import.meta.dirname, 'log.js'));
      const script = `import { createLog } from ${log}; createLog({ level: 'info', format: '${format}' }).info('hello');`;
      return spawnSync(process.execPath, ['--input-type=module', '-e', script], { encoding: 'utf8' }).stdout;
    };
    expect(output('auto')).toMatch(/^\{.*"msg":"hello"\}\n$/);
    expect(output('pretty')).toMatch(/^\[[\d:.]+\] INFO: hello\n$/);
  });

  it('can say nothing', () => {
    expect(silentLog.child({ a: 1 }).info('x')).toBeUndefined();
  });
});
