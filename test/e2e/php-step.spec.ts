import { describe, expect, it } from '@jest/globals';
import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
// Without it this file is not run, and the last lines of the run say so.
import { missingPhp } from '../support/php.js';

/** Around the example: three payments of two keys, one that fails, and one more. */
const around = (example: string): string => `<?php
declare(strict_types=1);
$db = new PDO('sqlite::memory:');
$db->exec('create table done (key text primary key, answer text)');
$db->exec('create table payments (id integer primary key)');
$refuses = false;

function charge(PDO $db): int {
  global $refuses;
  $db->exec('insert into payments default values');
  if ($refuses) throw new RuntimeException('refused');
  return (int) $db->lastInsertId();
}

${example}

foreach (['a', 'b', 'a'] as $key) echo pay($db, $key), "\n";
$refuses = true;
try {
  pay($db, 'c');
} catch (RuntimeException $fault) {
  echo $fault->getMessage(), "\n";
}
$refuses = false;
echo pay($db, 'c'), "\n";
echo $db->query('select count(*) from payments')->fetchColumn(), $db->inTransaction() ? ' open' : '', "\n";
`;

describe('docs/steps.md', () => {
  it('has a step in PHP that does its work once, and leaves no transaction open', () => {
    expect(missingPhp()).toBeNull();
    const page = readFileSync('docs/steps.md', 'utf8');
    const example = /^```php\n([\s\S]*?)^```$/m.exec(page)?.[1] ?? '';
    const { stdout, stderr } = spawnSync('php', ['-d', 'display_errors=stderr'], {
      input: around(example),
      encoding: 'utf8',
    });
    expect([stderr, ...stdout.trim().split('\n')]).toEqual([
      '',
      '{"payment":1}',
      '{"payment":2}',
      '{"payment":1}',
      'refused',
      '{"payment":3}',
      '3',
    ]);
  });
});
