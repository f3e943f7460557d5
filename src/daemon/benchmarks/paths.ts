import type { Clock } from '../../clock.ts';
import { pathOf } from '../../ollama/routes.ts';
import { answerError } from '../../proxy/error-answer.ts';
import type { Exchange } from '../../proxy/exchange.ts';
import { answerJson } from '../../proxy/front.ts';
import { bad, readJson, refuseStrangers } from '../small-json.ts';
import type { Benchmarks } from './benchmarks.ts';
import { orderInQuery, readOrder } from './order.ts';

/** Where benchmarks are started, cancelled and looked at. */
export const BENCHMARKS_PATH = '/dashboard/api/benchmarks';
/** What is under way, without the history. */
export const BENCHMARK_NOW_PATH = '/dashboard/api/benchmarks/current';
/** What one would do. */
export const BENCHMARK_PLAN_PATH = '/dashboard/api/benchmarks/plan';

/** As many names as an order may have, each as long as those of models are. */
const MAX_BODY_BYTES = 256 * 1024;

type Answer = (exchange: Exchange) => Promise<void> | void;

/**
 * Answers the paths of benchmarks, for programs of this machine only; returns false for all others. What starts or
 * cancels one takes JSON, and a page of this very address if any.
 */
export function benchmarkPaths(benchmarks: Benchmarks, clock: Clock): (exchange: Exchange) => boolean {
  const start: Answer = async (exchange) => {
    const order = readOrder(await readJson(exchange, clock, MAX_BODY_BYTES));
    const { run, plan } = benchmarks.start(order);
    answerJson(exchange, 202, { id: run.id, startedAt: run.startedAt, plan });
  };
  const cancel: Answer = async (exchange) => {
    const { id } = (await readJson(exchange, clock, MAX_BODY_BYTES)) ?? {};
    if (id !== undefined && typeof id !== 'string') throw bad('id is text, as the start of it answered');
    const run = await benchmarks.cancel(id);
    if (!run) throw bad('no such benchmark is running', 404);
    answerJson(exchange, 200, { run });
  };
  const report: Answer = async (exchange) => answerJson(exchange, 200, await benchmarks.report());
  const answers: Readonly<Record<string, Readonly<Record<string, Answer>>>> = {
    [BENCHMARKS_PATH]: { GET: report, POST: start, DELETE: cancel },
    [BENCHMARK_NOW_PATH]: { GET: (exchange) => answerJson(exchange, 200, benchmarks.now()) },
    [BENCHMARK_PLAN_PATH]: {
      GET: (exchange) => answerJson(exchange, 200, benchmarks.plan(orderInQuery(exchange.target))),
    },
  };
  return (exchange) => {
    const path = pathOf(exchange.target);
    const methods = Object.hasOwn(answers, path) ? answers[path] : undefined;
    const method = exchange.method === 'HEAD' ? 'GET' : exchange.method;
    // To other machines there is no such thing; the front says so in Ollama's words.
    if (!methods || !exchange.fromHere) return false;
    const answer = Object.hasOwn(methods, method) ? methods[method] : undefined;
    if (!answer) {
      const allowed = Object.keys(methods).join(', ');
      exchange.extraHeaders.push('Allow', allowed);
      answerJson(exchange, 405, { error: `${path} takes ${allowed}` });
      return true;
    }
    const done = async () => {
      if (method !== 'GET') refuseStrangers(exchange);
      await answer(exchange);
    };
    done().catch((error: unknown) => answerError(exchange, error));
    return true;
  };
}
