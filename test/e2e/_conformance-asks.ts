/** What the inference requests of the table are made of. */
export const model = 'smol';
export const gone = 'nobody-has-this';
/** Short answers: this runs on a processor that others need too. */
export const LIMIT = 4;
export const options = { num_predict: LIMIT, temperature: 0, seed: 1 };
export const messages = [{ role: 'user', content: 'Say hello.' }];
export const still = { stream: false };
export const COLOUR = {
  type: 'object',
  properties: { colour: { type: 'string' } },
  required: ['colour'],
};
export const WEATHER = {
  type: 'function',
  function: {
    name: 'weather',
    description: 'The weather',
    parameters: { type: 'object', properties: {} },
  },
};
/** One transparent pixel. */
export const PIXEL =
  'iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNkYPhfDwAChwGA60e6kgAAAABJRU5ErkJggg==';
