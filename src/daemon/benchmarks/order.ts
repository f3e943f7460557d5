import { parseCount } from '../../config/values.ts';
import { MOST_TARGETS } from '../../observe/benchmark/plan.ts';
import { type BenchmarkOrder, ROUNDS } from '../../observe/benchmark/run.ts';
import { bad } from '../small-json.ts';

/** A name of a model or a server, or a URL; longer ones are nobody's. */
const LONGEST = 2048;

/**
 * Reads the body that starts a benchmark: `{models?, servers?, rounds?}`. Throws OLLANA_BAD_REQUEST (400) naming the
 * member; also where there is no body, since all that there is should be asked for on purpose. Pure.
 */
export function readOrder(body: Readonly<Record<string, unknown>> | undefined): BenchmarkOrder {
  if (!body)
    throw bad('the body is missing: send {"models": ["llama3.2"]}, or {} for all models at all servers');
  const { models, servers, rounds = ROUNDS.usual, ...more } = body;
  const [unknown] = Object.keys(more);
  // A typo would measure everything.
  if (unknown !== undefined)
    throw bad(`there is no member ${unknown.slice(0, 80)}: there are models, servers, rounds`);
  return {
    models: namesIn('models', models),
    servers: namesIn('servers', servers),
    rounds: roundsIn(typeof rounds === 'number' ? String(rounds) : ''),
  };
}

/** The same from a query: `model` and `server`, each once or more, and `rounds`. Throws OLLANA_BAD_REQUEST (400). Pure. */
export function orderInQuery(target: string): BenchmarkOrder {
  const at = target.indexOf('?');
  const params = new URLSearchParams(at < 0 ? '' : target.slice(at + 1));
  for (const name of params.keys())
    if (!['model', 'server', 'rounds'].includes(name))
      throw bad(`there is no parameter ${name.slice(0, 80)}: there are model, server, rounds`);
  return {
    models: namesIn('model', params.getAll('model')),
    servers: namesIn('server', params.getAll('server')),
    rounds: roundsIn(params.get('rounds') ?? String(ROUNDS.usual)),
  };
}

function namesIn(what: string, value: unknown): readonly string[] {
  if (value === undefined || value === null) return [];
  const isName = (one: unknown) => typeof one === 'string' && one.trim() !== '' && one.length <= LONGEST;
  if (Array.isArray(value) && value.length <= MOST_TARGETS && value.every(isName)) return value;
  throw bad(`${what} is a list of names, ${MOST_TARGETS} at most, such as ["llama3.2"]`);
}

function roundsIn(text: string): number {
  try {
    return parseCount(ROUNDS.fewest, ROUNDS.most)(text);
  } catch (error) {
    throw error instanceof RangeError ? bad(`bad rounds: ${error.message}`) : error;
  }
}
