import { TestEnvironment } from 'jest-environment-node';

type Hook = 'beforeAll' | 'beforeEach' | 'afterEach' | 'afterAll';
/** As much as is read here of what jest-circus says of its progress. */
type Progress =
  | { readonly name: 'hook_failure'; readonly hook: { readonly type: Hook }; readonly test?: SpecTest }
  | { readonly name: 'test_fn_start'; readonly test: SpecTest };
type SpecTest = { readonly errors: unknown[] };

/**
 * Where spec files run. What an `after…` hook says where a `before…` hook has failed is a consequence: it meets things that
 * were never made. Then the first error alone is reported, which is the one to read.
 */
export default class SpecEnvironment extends TestEnvironment {
  readonly #begun = new WeakSet<SpecTest>();
  #beforeFailed = false;

  handleTestEvent(progress: Progress, state: { readonly unhandledErrors: unknown[] }): void {
    // It is said of a test that is not run as well, since a hook before it has failed.
    if (progress.name === 'test_fn_start' && progress.test.errors.length === 0) this.#begun.add(progress.test);
    if (progress.name !== 'hook_failure') return;
    const { hook, test } = progress;
    if (hook.type.startsWith('before')) this.#beforeFailed = true;
    else if (hook.type === 'afterAll' && this.#beforeFailed) state.unhandledErrors.pop();
    else if (hook.type === 'afterEach' && test !== undefined && !this.#begun.has(test)) test.errors.pop();
  }
}
