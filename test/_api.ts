import { request } from 'node:http';

export interface Answered {
  readonly status: number;
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
  readonly text: string;
  /** The answer as JSON, or undefined. */
  // biome-ignore lint/suspicious/noExplicitAny: tests look into it as they know it
  readonly json: any;
}

export interface Asked {
  readonly method?: string;
  /** Sent as JSON, unless it is text, which is sent as it is. */
  readonly body?: unknown;
  readonly headers?: Readonly<Record<string, string>>;
  /** Address to connect from. */
  readonly localAddress?: string;
}

/** One request on a connection of its own, whatever headers it takes: `fetch` sets some itself. */
export function call(base: string, path: string, asked: Asked = {}): Promise<Answered> {
  const { method = 'GET', body, headers = {}, localAddress } = asked;
  const sent = body === undefined ? undefined : typeof body === 'string' ? body : JSON.stringify(body);
  return new Promise((resolve, reject) => {
    const going = request(
      `${base}${path}`,
      {
        agent: false,
        method,
        ...(localAddress !== undefined && { localAddress }),
        headers: {
          ...(sent !== undefined && {
            'Content-Type': 'application/json',
            'Content-Length': String(Buffer.byteLength(sent)),
          }),
          ...headers,
        },
      },
      (answer) => {
        let text = '';
        answer.setEncoding('utf8').on('data', (chunk) => {
          text += chunk;
        });
        answer.on('error', reject);
        answer.on('end', () =>
          resolve({ status: answer.statusCode ?? 0, headers: answer.headers, text, json: parsed(text) }),
        );
      },
    );
    going.on('error', reject);
    going.end(sent);
  });
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
