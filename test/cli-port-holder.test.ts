import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createServer, type RequestListener } from 'node:http';
import { type AddressInfo, createServer as createTcpServer } from 'node:net';
import { describe, expect, it, onTestFinished } from 'vitest';
import { namePortHolder, portHolder } from '../src/cli/port-holder.ts';
import { OllanaError } from '../src/errors.ts';
import { listeningInodes } from '../src/server/socket-owner.ts';

async function listening(answer: RequestListener): Promise<number> {
  const server = createServer(answer);
  server.listen(0, '127.0.0.1');
  onTestFinished(() => {
    server.close();
    server.closeAllConnections();
  });
  await once(server, 'listening');
  return (server.address() as AddressInfo).port;
}

const JSON_TYPE = { 'content-type': 'application/json; charset=utf-8' };
const answering = (
  answers: Record<string, [type: Record<string, string>, body: string]>,
): RequestListener => {
  return (req, res) => {
    const [headers, body] = answers[req.url ?? ''] ?? [{}, ''];
    res.writeHead(body === '' ? 404 : 200, headers).end(body);
  };
};

describe('the holder of a port', () => {
  it('is another ollana when it gives an ollana’s status', async () => {
    const report = JSON.stringify({ pid: 4711, mode: 'client', servers: [] });
    const port = await listening(answering({ '/ollana/api/status': [JSON_TYPE, report] }));
    expect(await portHolder('127.0.0.1', port)).toBe('another ollana (pid 4711, client mode)');
    expect(await portHolder('0.0.0.0', port)).toBe('another ollana (pid 4711, client mode)');
  });

  it('is an Ollama when it says so and gives a version as JSON', async () => {
    const port = await listening(
      answering({ '/': [{}, 'Ollama is running'], '/api/version': [JSON_TYPE, '{"version":"0.33.0"}'] }),
    );
    expect(await portHolder('127.0.0.1', port)).toMatch(/^an Ollama/);
  });

  it('is no Ollama when its version has no content type, as with old ollana clients', async () => {
    const port = await listening(
      answering({ '/': [{}, 'Ollama is running'], '/api/version': [{}, '{"version":"0.33.0"}'] }),
    );
    expect(await portHolder('127.0.0.1', port)).not.toContain('Ollama');
  });

  it.runIf(process.platform === 'linux')('is named by the system when it says nothing', async () => {
    const script =
      "require('net').createServer(()=>{}).listen(0,'127.0.0.1',function(){console.log(this.address().port)})";
    const child = spawn(process.execPath, ['-e', script], { stdio: ['ignore', 'pipe', 'inherit'] });
    onTestFinished(() => void child.kill('SIGKILL'));
    const [line] = (await once(child.stdout, 'data')) as [Buffer];
    const begin = performance.now();
    expect(await portHolder('127.0.0.1', Number(line))).toBe(`node (pid ${child.pid})`);
    expect(performance.now() - begin).toBeLessThan(2_000);
  });

  it('that sends without end does not keep the user waiting', async () => {
    const port = await listening((_req, res) => {
      const timer = setInterval(() => res.write('x'.repeat(1_000)), 5);
      res.on('close', () => clearInterval(timer));
    });
    const begin = performance.now();
    await portHolder('127.0.0.1', port);
    expect(performance.now() - begin).toBeLessThan(2_000);
  });

  it('cannot be told for a port nobody holds', async () => {
    const server = createTcpServer().listen(0, '127.0.0.1');
    await once(server, 'listening');
    const { port } = server.address() as AddressInfo;
    server.close();
    await once(server, 'close');
    expect(await portHolder('127.0.0.1', port)).toBeUndefined();
  });
});

describe('the error of a failed listen', () => {
  it('says who holds the port and what to do', async () => {
    const report = JSON.stringify({ pid: 4711, mode: 'server', servers: [] });
    const port = await listening(answering({ '/ollana/api/status': [JSON_TYPE, report] }));
    const error = new OllanaError('OLLANA_PORT_IN_USE', 'in use');
    const named = (await namePortHolder(error, { host: '127.0.0.1', port })) as OllanaError;
    expect(named.code).toBe('OLLANA_PORT_IN_USE');
    expect(named.message).toBe(
      `port ${port} on 127.0.0.1 is in use by another ollana (pid 4711, server mode): stop that, or give --port N`,
    );
  });

  it('of another kind stays as it is', async () => {
    const error = new OllanaError('OLLANA_NO_NETWORK', 'no network');
    expect(await namePortHolder(error, { host: '127.0.0.1', port: 1 })).toBe(error);
  });
});

it('a table of sockets gives the inodes of the listening ones', () => {
  const table = [
    '  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode',
    '   0: 0100007F:2CAB 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 1234 1 0 100 0',
    '   1: 0100007F:2CAB 0100007F:9999 01 00000000:00000000 00:00000000 00000000     0        0 5678 1 0 100 0',
    '   2: 0100007F:0016 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 9 1 0 100 0',
    'garbage',
    '',
  ].join('\n');
  expect(listeningInodes(table, 11435)).toEqual(['1234']);
  expect(listeningInodes(table, 22)).toEqual(['9']);
});
