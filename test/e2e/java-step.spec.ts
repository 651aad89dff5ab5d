import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { spawnSync } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
// Without it this file is not run, and the last lines of the run say so.
import { missingJava } from '../support/java.js';
import { tempFolder, type TempFolder } from '../support/temp-folder.js';

let folder: TempFolder;
beforeAll(async () => {
  folder = await tempFolder('java-step');
});
afterAll(() => folder.remove());

/** Around the example: a database of one table that knows its two statements, and three payments of two keys. */
const around = (example: string): string => `
import java.lang.reflect.InvocationHandler;
import java.lang.reflect.Proxy;

public class Step {
  static int charged = 0;
  static int commits = 0;
  static int rollbacks = 0;
  static final java.util.Map<String, String> DONE = new java.util.HashMap<>();

  static int charge(java.sql.Connection db) {
    return ++charged;
  }

  ${example}

  static <T> T fake(Class<T> type, InvocationHandler handler) {
    return type.cast(Proxy.newProxyInstance(Step.class.getClassLoader(), new Class<?>[] {type}, handler));
  }

  static java.sql.PreparedStatement statement() {
    var given = new String[3];
    var rows = fake(java.sql.ResultSet.class, (self, method, args) ->
      method.getName().equals("next") ? (Object) DONE.containsKey(given[1]) : DONE.get(given[1]));
    return fake(java.sql.PreparedStatement.class, (self, method, args) -> switch (method.getName()) {
      case "setString" -> given[(Integer) args[0]] = (String) args[1];
      case "executeQuery" -> rows;
      case "executeUpdate" -> DONE.put(given[1], given[2]) == null ? 1 : 0;
      default -> throw new IllegalStateException(method.getName());
    });
  }

  public static void main(String[] args) throws Exception {
    var db = fake(java.sql.Connection.class, (self, method, arguments) -> switch (method.getName()) {
      case "prepareStatement" -> statement();
      case "commit" -> {
        commits++;
        yield null;
      }
      case "rollback" -> {
        rollbacks++;
        yield null;
      }
      default -> throw new IllegalStateException(method.getName());
    });
    for (var key : new String[] {"a", "b", "a"}) System.out.println(pay(db, key));
    System.out.println(commits + " " + rollbacks);
  }
}
`;

describe('docs/steps.md', () => {
  it('has a step in Java that does its work once, and leaves no transaction open', () => {
    expect(missingJava()).toBeNull();
    const page = readFileSync('docs/steps.md', 'utf8');
    const example = /^```java\n([\s\S]*?)^```$/m.exec(page)?.[1] ?? '';
    const file = join(folder.path, 'Step.java');
    writeFileSync(file, around(example));
    const { stdout, stderr } = spawnSync('java', [file], { encoding: 'utf8' });
    expect([stderr, ...stdout.trim().split('\n')]).toEqual([
      '',
      '{"payment":1}',
      '{"payment":2}',
      '{"payment":1}',
      '2 1',
    ]);
  });
});
