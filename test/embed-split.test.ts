import { describe, expect, it } from 'vitest';
import { joinAnswers } from '../src/ollama/embed-join.ts';
import { inputSpans, splitBodies, splitInputs, splitIsFaster } from '../src/ollama/embed-split.ts';

describe('inputs go to servers by their speed', () => {
  it.each([
    { count: 64, weights: [1, 1], sizes: [32, 32] },
    { count: 64, weights: [3, 1], sizes: [48, 16] },
    { count: 64, weights: [1, 3], sizes: [16, 48] },
    { count: 10, weights: [1, 1, 1], sizes: [4, 3, 3] },
    { count: 3, weights: [1000, 1, 1], sizes: [1, 1, 1] },
    { count: 10, weights: [1000, 1, 1], sizes: [8, 1, 1] },
    { count: 7, weights: [0.5, 0.25], sizes: [5, 2] },
    { count: 2, weights: [1, 1, 1], sizes: [1, 1] },
    { count: 1, weights: [1, 9], sizes: [1] },
    { count: 5, weights: [7], sizes: [5] },
    { count: 0, weights: [1, 1], sizes: [] },
    { count: 5, weights: [], sizes: [] },
    { count: 9, weights: [2, Number.NaN, 1], sizes: [5, 2, 2] },
    { count: 9, weights: [0, -1, Number.POSITIVE_INFINITY], sizes: [3, 3, 3] },
    { count: 4, weights: [Number.MAX_VALUE, Number.MAX_VALUE], sizes: [2, 2] },
  ])('$count over $weights: $sizes', ({ count, weights, sizes }) => {
    expect(splitInputs(count, weights)).toEqual(sizes);
  });

  it('always all of them, none without, and nobody more than one from its share', () => {
    for (let count = 1; count <= 60; count += 1) {
      for (const weights of [[1], [1, 1], [5, 3, 2], [1, 2, 4, 8], [100, 1, 1], [0.1, 0.7, 0.3]]) {
        const sizes = splitInputs(count, weights);
        expect(sizes.reduce((a, b) => a + b, 0)).toBe(count);
        expect(Math.min(...sizes)).toBeGreaterThan(0);
        const used = weights.slice(0, sizes.length);
        const total = used.reduce((a, b) => a + b, 0);
        const shares = used.map((weight) => (count * weight) / total);
        if (Math.min(...shares) < 1) continue;
        for (const [index, size] of sizes.entries()) expect(Math.abs(size - shares[index]!)).toBeLessThan(1);
      }
    }
  });

  it.each([
    { count: 64, weights: [10, 10], extraS: 0.1, faster: true },
    { count: 64, weights: [10, 10], extraS: 3.2, faster: false },
    { count: 2, weights: [10, 10], extraS: 0.01, faster: true },
    { count: 2, weights: [10, 1], extraS: 0, faster: false },
    { count: 1, weights: [10, 10], extraS: 0, faster: false },
    { count: 64, weights: [10], extraS: 0, faster: false },
    { count: 64, weights: [], extraS: 0, faster: false },
  ])('$count over $weights with $extraS s extra is faster: $faster', ({ count, weights, extraS, faster }) => {
    expect(splitIsFaster(count, weights, extraS)).toBe(faster);
  });
});

describe('a request', () => {
  const split = (text: string, sizes: number[]) => {
    const json = Buffer.from(text);
    const spans = inputSpans(json);
    return spans && splitBodies(json, spans, sizes).map((body) => body.toString());
  };

  it('is split with every other byte as it was', () => {
    const before = ' {"model" :"a","options":{"seed":12345678901234567890,"x":1.0e-0}, "INPUT" : [\n';
    const after = ' ]\t,"truncate":false , "dimensions":  7}\r\n';
    expect(split(`${before}"\\u00e9é" ,  "],\\"" ,\n"","d"${after}`, [2, 1, 1])).toEqual([
      `${before}"\\u00e9é" ,  "],\\""${after}`,
      `${before}""${after}`,
      `${before}"d"${after}`,
    ]);
  });

  it.each([
    '{"model":"a","input":"x"}',
    '{"model":"a","input":[]}',
    '{"model":"a","input":["x"]}',
    '{"model":"a","input":["x",1]}',
    '{"model":"a","input":[[1,2],[3]]}',
    '{"model":"a","input":["x",null]}',
    '{"model":"a","input":["x","y",]}',
    '{"model":"a","input":["x" "y"]}',
    '{"model":"a","input":["x","y"]',
    '{"model":"a","input":["x","y"],"Input":["z","w"]}',
    '{"model":"a","inputs":["x","y"]}',
    '{"model":"a","options":{"input":["x","y"]}}',
    '["x","y"]',
    '',
  ])('is not split: %s', (text) => {
    expect(inputSpans(Buffer.from(text))).toBeUndefined();
  });

  it('of up to 65,536 inputs can be split', () => {
    const of = (count: number) => Buffer.from(`{"input":[${Array(count).fill('""').join(',')}]}`);
    expect(inputSpans(of(65_536))?.from).toHaveLength(65_536);
    expect(inputSpans(of(65_537))).toBeUndefined();
  });

  it.each([[[1, 1]], [[3, 0]], [[1, 1, 1, 1]], [[4, -1]], [[1.5, 1.5]]])(
    'of three is not split into %j',
    (sizes) => {
      expect(() => split('{"input":["a","b","c"]}', sizes)).toThrow(RangeError);
    },
  );
});

const part = (answer: string, count: number) => ({ answer: Buffer.from(answer), count });
const failed = expect.objectContaining({ code: 'OLLANA_UPSTREAM_FAILED', status: 502 });

describe('answers of /api/embed', () => {
  const join = (...parts: ReturnType<typeof part>[]) => joinAnswers('ollama', parts).toString();

  it('are joined in order, the numbers as they were written, the counters together', () => {
    expect(
      join(
        part(
          '{"model":"a","embeddings":[[1e-07,-0],[0.10,2]],"total_duration":70,"load_duration":9,"prompt_eval_count":5}',
          2,
        ),
        part(
          '{"model":"A","embeddings":[ [3.0,4] ],"total_duration":90,"load_duration":8,"prompt_eval_count":7}\n',
          1,
        ),
      ),
    ).toBe(
      '{"model":"a","embeddings":[[1e-07,-0],[0.10,2],[3.0,4]],"total_duration":90,"load_duration":9,"prompt_eval_count":12}',
    );
  });

  it('are joined when counters are missing, and other fields are those of the first', () => {
    expect(
      join(part('{"embeddings":[[1]],"new":{"x":[1]},"model":"a"} ', 1), part('{"embeddings":[[2]]}', 1)),
    ).toBe('{"embeddings":[[1],[2]],"new":{"x":[1]},"model":"a"} ');
    expect(
      join(
        part('{"embeddings":[[1]]}', 1),
        part('{"embeddings":[[2]],"load_duration":4,"prompt_eval_count":3}', 1),
        part('{"embeddings":[[3]],"load_duration":2}', 1),
      ),
    ).toBe('{"embeddings":[[1],[2],[3]],"prompt_eval_count":3,"load_duration":4}');
  });

  it.each([
    ['fewer vectors', '{"embeddings":[[1]]}', 2],
    ['more vectors', '{"embeddings":[[1],[2],[3]]}', 2],
    ['no vectors', '{"embeddings":[]}', 1],
    ['nothing of vectors', '{"model":"a"}', 1],
    ['a vector that is none', '{"embeddings":[[1],null]}', 2],
    ['vectors of another length', '{"embeddings":[[1,2]]}', 1],
    ['vectors in an object', '{"embeddings":{"0":[1]}}', 1],
    ['an end too soon', '{"embeddings":[[1]]', 1],
    ['an error', '{"error":"no"}', 1],
    ['a count in words', '{"embeddings":[[1]],"prompt_eval_count":"3"}', 1],
    ['a count without measure', '{"embeddings":[[1]],"prompt_eval_count":1e999}', 1],
    ['no JSON', '<html>', 1],
    ['nothing', '', 1],
  ])('with %s are refused', (_, answer, count) => {
    expect(() => join(part('{"embeddings":[[9]]}', 1), part(answer, count))).toThrow(failed);
  });

  it('are refused when there are none', () => {
    expect(() => join()).toThrow(failed);
  });

  it('say which part was wrong', () => {
    expect(() => join(part('{"embeddings":[[9]]}', 1), part('{"error":"no"}', 3))).toThrow(
      'the answer to part 2 of 2 of the inputs cannot be joined to the others: it has no list embeddings of 3',
    );
  });
});

describe('answers of /v1/embeddings', () => {
  const join = (...parts: ReturnType<typeof part>[]) => joinAnswers('openai', parts).toString();
  const vector = (index: number, embedding: string) =>
    `{"object":"embedding","embedding":${embedding},"index":${index}}`;
  const list = (vectors: string[], tokens: number) =>
    `{"object":"list","data":[${vectors.join(',')}],"model":"a","usage":{"prompt_tokens":${tokens},"total_tokens":${tokens}}}\n`;

  it('are joined in order and numbered anew, the tokens summed', () => {
    expect(
      join(
        part(list([vector(0, '[1,2.50]'), vector(1, '[3,4]')], 5), 2),
        part(list([vector(0, '[5,6]')], 2), 1),
        part(list([vector(0, '[7,8]'), vector(1, '[9,1e-9]')], 4), 2),
      ),
    ).toBe(
      list(
        ['[1,2.50]', '[3,4]', '[5,6]', '[7,8]', '[9,1e-9]'].map((text, index) => vector(index, text)),
        11,
      ),
    );
  });

  it('are joined in base64 too', () => {
    const first = part(list([vector(0, '"AACAPw=="')], 1), 1);
    expect(join(first, part(list([vector(0, '"AAAAQA=="')], 1), 1))).toBe(
      list([vector(0, '"AACAPw=="'), vector(1, '"AAAAQA=="')], 2),
    );
  });

  it.each([
    ['a number missing', '{"data":[{"embedding":[2]}],"usage":{}}', 1],
    ['a wrong number', `{"data":[${vector(1, '[2]')}],"usage":{}}`, 1],
    ['a vector missing', '{"data":[{"index":0}],"usage":{}}', 1],
    ['a vector that is none', `{"data":[${vector(0, 'null')}],"usage":{}}`, 1],
    ['bare vectors', '{"data":[[1]],"usage":{}}', 1],
    ['no tokens', `{"data":[${vector(0, '[2]')}]}`, 1],
    ['tokens that are none', `{"data":[${vector(0, '[2]')}],"usage":7}`, 1],
    ['fewer vectors', list([vector(0, '[2]')], 1), 2],
    ['an error', '{"error":{"message":"no"}}', 1],
  ])('with %s are refused', (_, answer, count) => {
    expect(() => join(part(list([vector(0, '[9]')], 1), 1), part(answer, count))).toThrow(failed);
  });
});

it('a request split over servers and joined again is what one server answers', () => {
  const serve = (body: string): string => {
    const { input } = JSON.parse(body) as { input: string[] };
    const embeddings = input.map((text) => [text.length, Math.fround(1 / (1 + text.length)), -1e-9]);
    const tokens = input.reduce((sum, text) => sum + text.length, 0);
    return JSON.stringify({
      model: 'a',
      embeddings,
      total_duration: 5,
      load_duration: 1,
      prompt_eval_count: tokens,
    });
  };
  const inputs = Array.from({ length: 64 }, (_, index) => `${'x'.repeat(index)}"\n`);
  const json = Buffer.from(JSON.stringify({ model: 'a', input: inputs, truncate: true }));
  const spans = inputSpans(json)!;
  const sizes = splitInputs(64, [3, 2, 1]);
  const parts = splitBodies(json, spans, sizes).map((body, index) =>
    part(serve(body.toString()), sizes[index]!),
  );
  expect(joinAnswers('ollama', parts).toString()).toBe(serve(json.toString()));
});

it('64 answers of 16 vectors of 1,024 numbers are joined in a moment', () => {
  const row = `[${Array.from({ length: 1024 }, (_, index) => Math.fround(1 / (index + 3))).join(',')}]`;
  const answer = Buffer.from(
    `{"model":"a","embeddings":[${Array(16).fill(row).join(',')}],"prompt_eval_count":1}`,
  );
  const started = performance.now();
  const joined = joinAnswers('ollama', Array(64).fill({ answer, count: 16 }));
  expect(performance.now() - started).toBeLessThan(2000);
  expect((JSON.parse(joined.toString()) as { embeddings: unknown[] }).embeddings).toHaveLength(1024);
});
