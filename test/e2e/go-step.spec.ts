import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { spawnSync } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
// Without it this file is not run, and the last lines of the run say so.
import { missingGo } from '../support/go.js';
import { tempFolder, type TempFolder } from '../support/temp-folder.js';

let folder: TempFolder;
beforeAll(async () => {
  folder = await tempFolder('go-step');
});
afterAll(() => folder.remove());

/** Around the example: a driver of one table that knows its two statements, and three payments of two keys. */
const around = (example: string): string => `package main

import (
	"database/sql"
	"database/sql/driver"
	"fmt"
	"io"
	"strings"
)

var charged, commits, rollbacks int
var done = map[string]string{}

func charge(tx *sql.Tx) (string, error) {
	charged++
	return fmt.Sprintf("{%q:%d}", "payment", charged), nil
}

${example}

type table struct{}

func (table) Open(string) (driver.Conn, error)         { return table{}, nil }
func (table) Prepare(text string) (driver.Stmt, error) { return statement(text), nil }
func (table) Close() error                             { return nil }
func (table) Begin() (driver.Tx, error)                { return table{}, nil }
func (table) Commit() error                            { commits++; return nil }
func (table) Rollback() error                          { rollbacks++; return nil }

type statement string

func (statement) Close() error    { return nil }
func (s statement) NumInput() int { return strings.Count(string(s), "$") }
func (s statement) Exec(given []driver.Value) (driver.Result, error) {
	done[given[0].(string)] = given[1].(string)
	return driver.RowsAffected(1), nil
}
func (s statement) Query(given []driver.Value) (driver.Rows, error) {
	answer, known := done[given[0].(string)]
	return &rows{answer, known}, nil
}

type rows struct {
	answer string
	left   bool
}

func (*rows) Columns() []string { return []string{"answer"} }
func (*rows) Close() error      { return nil }
func (r *rows) Next(into []driver.Value) error {
	if !r.left {
		return io.EOF
	}
	into[0], r.left = r.answer, false
	return nil
}

func main() {
	sql.Register("table", table{})
	db, _ := sql.Open("table", "")
	for _, key := range []string{"a", "b", "a"} {
		fmt.Println(pay(db, key))
	}
	fmt.Println(commits, rollbacks)
}
`;

describe('docs/steps.md', () => {
  it('has a step in Go that does its work once, and leaves no transaction open', () => {
    expect(missingGo()).toBeNull();
    const page = readFileSync('docs/steps.md', 'utf8');
    const example = /^```go\n([\s\S]*?)^```$/m.exec(page)?.[1] ?? '';
    const file = join(folder.path, 'step.go');
    writeFileSync(file, around(example));
    const env = { ...process.env, GO111MODULE: 'off', GOCACHE: join(folder.path, 'cache'), GOFLAGS: '' };
    const { stdout, stderr } = spawnSync('go', ['run', file], { encoding: 'utf8', env });
    expect([stderr, ...stdout.trim().split('\n')]).toEqual([
      '',
      '{"payment":1} <nil>',
      '{"payment":2} <nil>',
      '{"payment":1} <nil>',
      '2 1',
    ]);
  }, 120_000);
});
