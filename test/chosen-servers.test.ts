import { describe, expect, it } from 'vitest';
import { chosenServer } from '../src/cli/chosen-servers.ts';
import type { ServerStatus, StatusReport } from '../src/daemon/status.ts';

const server = (name: string, more: Partial<ServerStatus> = {}) =>
  ({
    name,
    url: `http://${name}:11435`,
    deviceId: `id-${name}`,
    verdict: 'reliable',
    latencyMs: 1,
    ...more,
  }) as ServerStatus;
const report = (...servers: ServerStatus[]) => ({ name: 'Laptop', servers }) as unknown as StatusReport;

describe('a server that is named', () => {
  it.each(['gpu', ' GPU ', 'http://gpu:11435', 'gpu:11435', 'id-gpu'])('is found by %j', (on) => {
    expect(chosenServer(on, report(server('attic'), server('gpu'))).name).toBe('gpu');
  });

  const silent = server('cellar', { verdict: 'unreliable', latencyMs: null, reason: 'connect ECONNREFUSED' });

  it.each([
    [
      'others are known',
      'gpu',
      [silent, server('attic')],
      /^no server is called gpu: known are attic, cellar \(does not answer\); `ollana discover` shows/,
    ],
    [
      'nobody is',
      'gpu',
      [],
      /^no server is called gpu: none at all has been found yet: run `ollana serve` on a GPU machine, or give the daemon --server URL$/,
    ],
    [
      'it is this machine, without an Ollama',
      'laptop',
      [],
      /^no server is called laptop: that is this machine, and no Ollama answers on it: start one, or see `ollana doctor`; no other server has been found$/,
    ],
    [
      'it is this machine, and others are known',
      'laptop',
      [server('attic')],
      /no Ollama answers on it: .*; known are attic$/,
    ],
  ])('and is none, when %s, is told so with what to do', (_, on, servers, message) => {
    expect(() => chosenServer(on, report(...servers))).toThrow(message);
  });
});
