// The guest's side: what is in an isolate beside what users write. Functions of this file run there: see guest-lock.ts.
import type { SandboxLanguage } from '../sandbox.js';
import { guestBase64 } from './guest-base64.js';
import { guestChance } from './guest-chance.js';
import { guestExpressions, tameJsonata, type Jsonata } from './guest-expressions.js';
import { guestJson } from './guest-json.js';
import {
  freezeAll,
  giveDate,
  giveSources,
  lockRealm,
  madeBySyntax,
  makeShadowable,
  takeOut,
  type RealmSources,
} from './guest-lock.js';
import { compiledSources, failedAnswer, guestScripts } from './guest-scripts.js';
import { guestWords } from './guest-words.js';

/** The bundle of JSONata as a function: it looks for a browser's `window`. */
export type JsonataLoader = (module: { exports: unknown }, exports: unknown, window: object) => void;

/**
 * `begin` begins one evaluation, and `take` gives what came of it when all has been done that it left waiting. An answer has one
 * letter in front: `v` and the value as JSON, `i` and why the value is none that may leave, `l` for one that is too long, `f` and why
 * it failed, `m` for memory, `s` for a script that is not one expression, `p` when it waits for what never comes.
 */
export type GuestApi = {
  begin: (
    language: SandboxLanguage,
    source: string,
    names: string,
    instantMs: number,
    seed: string,
    maxChars: number,
  ) => string;
  take: () => string;
  /** Whether all is made, which takes a turn. */
  isReady: () => boolean;
};

/** Makes the realm that it is called in ready for evaluations. */
export const openGuest = (loadJsonata: JsonataLoader, builtIns: string): GuestApi => {
  const LINES_BEFORE = 3;
  let instant = 0;
  const chance = guestChance();
  const sources: RealmSources = { nowMs: () => instant, random: chance.random };
  const module: { exports: unknown } = { exports: {} };
  loadJsonata(module, module.exports, guestBase64());
  const jsonata = module.exports as Jsonata;
  lockRealm(sources);

  const json = guestJson();
  const words = guestWords(LINES_BEFORE);
  const statics = tameJsonata(jsonata, builtIns.split(' '), sources.nowMs);
  const runScript = guestScripts(json, words);
  const expressions = guestExpressions(jsonata, statics, json, words);
  return {
    begin: (language, source, names, instantMs, seed, maxChars) => {
      instant = instantMs;
      chance.seed(seed);
      if (language === 'js') return runScript(source, names, maxChars);
      expressions.begin(source, names, maxChars);
      return 'p';
    },
    take: () => expressions.take(),
    isReady: () => statics.isReady,
  };
};

const FUNCTIONS = {
  ...{ freezeAll, giveDate, giveSources, lockRealm, madeBySyntax, makeShadowable, takeOut },
  ...{ guestBase64, guestChance, guestJson, guestWords, compiledSources, failedAnswer, guestScripts },
  ...{ tameJsonata, guestExpressions, openGuest },
};

/** All of it as declarations. */
export const guestDeclarations = (): string =>
  Object.entries(FUNCTIONS)
    .map(([name, made]) => `const ${name} = ${made.toString()};`)
    .join('\n');

/** The body of a function that is given the loader of JSONata as `$0` and gives a `GuestApi`. */
export const guestText = (builtIns: string): string =>
  `'use strict';\n${guestDeclarations()}\nreturn openGuest($0, ${JSON.stringify(builtIns)});`;
