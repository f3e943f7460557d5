import { gone, LIMIT, messages, model, still, WEATHER } from './_conformance-asks.ts';
import { type Case, cases, type Row } from './_conformance-case.ts';

type Headers = readonly (readonly [string, string])[];

const JSON_TYPE = ['Content-Type', 'application/json'] as const;
const latest = `${model}:latest`;
const named = { name: latest, model: latest };

/** What aiohttp says for Open WebUI with "forward user information" on (`backend/open_webui/routers/ollama.py`). */
const WEBUI: Headers = [
  ['Accept', '*/*'],
  ['Accept-Encoding', 'gzip, deflate, br'],
  ['User-Agent', 'Python/3.11 aiohttp/3.11.11'],
  JSON_TYPE,
  ['Authorization', 'Bearer secret'],
  ['X-OpenWebUI-User-Name', 'Ada%20Lovelace'],
  ['X-OpenWebUI-User-Id', '0b1d4a8e-6f0f-4c43-9f58-0d2a7b8f3b11'],
  ['X-OpenWebUI-User-Email', 'ada@example.org'],
  ['X-OpenWebUI-User-Role', 'admin'],
];
const webuiChat = { model: latest, messages, options: { temperature: 0, seed: 1, num_predict: LIMIT } };

/** A connection is checked, a model looked at, talked with, given a title for the talk, embedded with, copied, unloaded. */
const OPEN_WEBUI: readonly Row[] = [
  [200, 'Open WebUI checks the connection', 'GET', '/api/version'],
  [200, 'Open WebUI lists models', 'GET', '/api/tags'],
  [200, 'Open WebUI looks at a model', 'POST', '/api/show', named, { compare: 'lines' }],
  [200, 'Open WebUI talks', 'POST', '/api/chat', { ...webuiChat, stream: true }],
  [200, 'Open WebUI asks for a title', 'POST', '/api/chat', { ...webuiChat, ...still }],
  [200, 'Open WebUI lists what is loaded', 'GET', '/api/ps'],
  [
    200,
    'Open WebUI embeds',
    'POST',
    '/api/embed',
    { model: latest, input: ['one', 'two'], truncate: true },
    { compare: 'numbers' },
  ],
  [
    200,
    'Open WebUI talks as with OpenAI',
    'POST',
    '/v1/chat/completions',
    { model: latest, messages, stream: true, max_tokens: LIMIT, temperature: 0, seed: 1 },
  ],
  [200, 'Open WebUI copies', 'POST', '/api/copy', { source: latest, destination: 'scratch-{face}' }],
  [200, 'Open WebUI deletes', 'DELETE', '/api/delete', { name: 'scratch-{face}', model: 'scratch-{face}' }],
  [404, 'Open WebUI deletes what nobody has', 'DELETE', '/api/delete', { name: gone, model: gone }],
  [200, 'Open WebUI unloads', 'POST', '/api/generate', { model: latest, keep_alive: 0, prompt: '' }],
];

/** `core/llm/llms/Ollama.ts`: half an hour of keep_alive, the context always named, tools only unstreamed. */
const continued = {
  model,
  options: { temperature: 0, num_predict: LIMIT, num_ctx: 2048, stop: ['<|im_end|>', '/src/'] },
  keep_alive: 1800,
};
const CODE = 'def add(a, b):\n    return ';
const CONTINUE: readonly Row[] = [
  [200, 'Continue looks at a model', 'POST', '/api/show', { name: model }, { compare: 'lines' }],
  [200, 'Continue finds models', 'GET', '/api/tags'],
  [200, 'Continue talks', 'POST', '/api/chat', { ...continued, messages, stream: true }],
  [
    400,
    'Continue offers tools, which the model cannot',
    'POST',
    '/api/chat',
    { ...continued, messages, tools: [WEATHER], ...still },
  ],
  [
    200,
    'Continue completes',
    'POST',
    '/api/generate',
    { ...continued, prompt: CODE, raw: true, stream: true },
  ],
  [
    400,
    'Continue fills in, which the model cannot',
    'POST',
    '/api/generate',
    { ...continued, prompt: CODE, suffix: '\n', stream: true },
  ],
  [
    200,
    'Continue embeds pieces of code',
    'POST',
    '/api/embed',
    { model, input: [CODE, 'x = 1\n'] },
    { compare: 'numbers' },
  ],
];

/** Its source is closed: what proxies and tests of others show of Claude Code 2. Node's `fetch` adds the last two. */
const CLAUDE: Headers = [
  ['Accept', 'application/json'],
  JSON_TYPE,
  ['User-Agent', 'claude-cli/2.1.22 (external, cli)'],
  ['Authorization', 'Bearer ollana'],
  ['anthropic-version', '2023-06-01'],
  ['anthropic-beta', 'claude-code-20250219,interleaved-thinking-2025-05-14'],
  ['anthropic-dangerous-direct-browser-access', 'true'],
  ['x-app', 'cli'],
  ['X-Stainless-Lang', 'js'],
  ['X-Stainless-Retry-Count', '0'],
  ['X-Stainless-Timeout', '600'],
  ['accept-language', '*'],
  ['sec-fetch-mode', 'cors'],
];
const cached = { cache_control: { type: 'ephemeral' } };
const coding = {
  model,
  max_tokens: LIMIT,
  temperature: 0,
  system: [{ type: 'text', text: 'You are a coding agent.', ...cached }],
  messages: [
    {
      role: 'user',
      content: [
        { type: 'text', text: '<system-reminder>Be short.</system-reminder>' },
        { type: 'text', text: 'Say hello.', ...cached },
      ],
    },
  ],
  metadata: { user_id: 'user_0_account__session_1' },
};
const CLAUDE_CODE: readonly Row[] = [
  [404, 'Claude Code looks whether anybody is there', 'HEAD', '/api/hello'],
  [
    200,
    'Claude Code asks for one token',
    'POST',
    '/v1/messages?beta=true',
    { model, max_tokens: 1, messages: [{ role: 'user', content: 'quota' }], metadata: coding.metadata },
  ],
  [200, 'Claude Code works', 'POST', '/v1/messages?beta=true', { ...coding, stream: true }],
  [
    400,
    'Claude Code offers tools, which the model cannot',
    'POST',
    '/v1/messages?beta=true',
    {
      ...coding,
      stream: true,
      tools: [
        { name: 'Bash', description: 'Runs a command', input_schema: { type: 'object', properties: {} } },
      ],
    },
  ],
  [
    404,
    'Claude Code counts tokens, which Ollama cannot',
    'POST',
    '/v1/messages/count_tokens?beta=true',
    { model, messages: coding.messages },
  ],
];

/** `codex-rs/codex-api/src/common.rs` and `codex-rs/ollama/src/client.rs`. */
const CODEX: Headers = [
  ['Accept', 'text/event-stream'],
  JSON_TYPE,
  ['User-Agent', 'codex_cli_rs/0.98.0 (Debian 12; x86_64) xterm'],
  ['originator', 'codex_cli_rs'],
  ['version', '0.98.0'],
  ['session_id', '019a0000-0000-7000-8000-000000000000'],
  ['conversation_id', '019a0000-0000-7000-8000-000000000000'],
];
const said = (role: string, text: string) => ({
  type: 'message',
  role,
  content: [{ type: 'input_text', text }],
});
const turn = {
  model,
  instructions: 'You are a coding agent.',
  input: [said('developer', 'Be short.'), said('user', 'Say hello.')],
  tools: [],
  tool_choice: 'auto',
  parallel_tool_calls: false,
  reasoning: null,
  store: false,
  stream: true,
  include: [],
  prompt_cache_key: '019a0000-0000-7000-8000-000000000000',
  // Codex sets no limit; this keeps the answer short.
  max_output_tokens: LIMIT,
};
const SHELL = {
  type: 'function',
  name: 'shell',
  description: 'Runs a command',
  strict: false,
  parameters: { type: 'object', properties: { command: { type: 'array', items: { type: 'string' } } } },
};
const CODEX_CLI: readonly Row[] = [
  [200, 'Codex looks whether anybody is there', 'GET', '/v1/models'],
  [200, 'Codex looks for its model', 'GET', '/api/tags'],
  [200, 'Codex takes a turn', 'POST', '/v1/responses', turn],
  [400, 'Codex offers tools, which the model cannot', 'POST', '/v1/responses', { ...turn, tools: [SHELL] }],
  [404, 'Codex takes a turn with a model nobody has', 'POST', '/v1/responses', { ...turn, model: gone }],
];

/** What apps send, in the shape and order in which they do. */
export const APPS: readonly Case[] = [
  ...cases(OPEN_WEBUI, { headers: WEBUI }),
  ...cases(CONTINUE, { headers: [JSON_TYPE, ['Authorization', 'Bearer secret'], ['Accept', '*/*']] }),
  ...cases(CLAUDE_CODE, { headers: CLAUDE }),
  ...cases(CODEX_CLI, { headers: CODEX }),
];
