import { describe, expect, it } from '@jest/globals';
import { armFailpoint, failpoint, failpoints } from './failpoints.js';

describe('a failpoint', () => {
  it('does nothing until armed, strikes each time while armed, and nothing after', () => {
    const place = failpoint('spec.a', 'In this test.');
    let strikes = 0;
    place();
    const disarm = armFailpoint('spec.a', () => strikes++);
    place();
    place();
    disarm();
    disarm();
    place();
    expect(strikes).toBe(2);
  });

  it('strikes only where its own name is', () => {
    const [here, there] = [failpoint('spec.here', 'Here.'), failpoint('spec.there', 'There.')];
    const disarm = armFailpoint('spec.there', () => {
      throw new Error('struck');
    });
    expect(here).not.toThrow();
    expect(there).toThrow('struck');
    disarm();
  });

  it('is known by name with a sentence on where it fires; an unknown name is a bug of the test', () => {
    failpoint('spec.known', 'After the commit.');
    expect(failpoints().get('spec.known')).toBe('After the commit.');
    expect(() => armFailpoint('spec.nowhere', () => {})).toThrow('no failpoint spec.nowhere');
    expect(() => failpoint('spec.known', 'Again.')).toThrow('declared twice');
  });
});
