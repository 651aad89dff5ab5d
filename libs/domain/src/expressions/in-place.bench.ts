import { payloadOf } from '../payload.js';
import { expressionsOf, printed } from './computed.js';
import { evaluateHere } from './evaluate.js';

// How many mappers are evaluated a second, of payloads of three sizes: node dist/libs/domain/src/expressions/in-place.bench.js

const MAPPER = { template: payloadOf(JSON.stringify("{% { 'id': $output.id, 'total': $input.price * 2 } %}")) };
const ROUNDS = 5;
const ROUND_MS = 500;

const payload = (members: object, items: number) => {
  const list = Array.from({ length: items }, (_, index) => ({
    sku: `item-${index}`,
    count: index,
    price: index * 1.25,
  }));
  return payloadOf(JSON.stringify({ ...members, list }));
};

for (const items of [0, 90, 4_600]) {
  const input = payload({ price: 21.5 }, items);
  const output = payload({ id: 'order-7' }, items);
  const once = (): string => {
    const result = evaluateHere(expressionsOf(MAPPER), 'all', (name) => (name === 'input' ? input : output));
    if (result === null || !('values' in result)) throw new Error('the mapper is not evaluated');
    return printed(MAPPER, result.values);
  };
  const rates: number[] = [];
  for (let round = 0; round < ROUNDS; round++) {
    const startedAt = performance.now();
    let count = 0;
    for (; performance.now() - startedAt < ROUND_MS; count++) once();
    rates.push(Math.round(count / ((performance.now() - startedAt) / 1_000)));
  }
  const median = rates.toSorted((one, other) => one - other)[Math.floor(ROUNDS / 2)];
  process.stdout.write(`two payloads of ${input.length} bytes: ${median} a second (${rates.join(', ')})\n`);
}
