import { readdirSync, readlinkSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { run } from '../_process.ts';
import { skipBecause } from '../_skip.ts';
import { captureUnavailable } from './_capture.ts';
import { createLab, labAvailable } from './_lab.ts';

const ECHO_SERVER = `require('http').createServer((q, s) => {
  if (q.url === '/stream') { s.write('one\\n'); setTimeout(() => s.end('two\\n'), 50); }
  else q.pipe(s);
}).listen(8000, '0.0.0.0', () => console.log('up'))`;

/** Prints what arrives on UDP 11436, the port of discovery. */
const UDP_LISTENER = `const s = require('dgram').createSocket('udp4');
s.on('message', (m, r) => console.log('got', m.toString('hex'), r.address)).bind(11436, () => console.log('up'))`;

const UDP_BROADCAST = `const s = require('dgram').createSocket('udp4');
s.bind(0, () => { s.setBroadcast(true); s.send(Buffer.from('LANA'), 11436, '10.77.0.255', () => s.close()); })`;

/** The network namespaces that processes of this machine are in. */
function networkNamespaces(): Set<string> {
  const seen = new Set<string>();
  for (const pid of readdirSync('/proc').filter((name) => /^\d+$/.test(name))) {
    try {
      seen.add(readlinkSync(`/proc/${pid}/ns/net`));
    } catch {
      // The process ended meanwhile.
    }
  }
  return seen;
}

describe('the LAN lab', () => {
  skipBecause(labAvailable());

  test('three hosts reach each other over HTTP and see when each line arrives', async () => {
    await using lab = await createLab({ hosts: ['gpu1', 'gpu2', 'laptop'] });
    for (const name of ['gpu1', 'gpu2']) {
      const host = lab.host(name);
      await host.node(['-e', ECHO_SERVER]).waitFor(/up/);
      const echo = await lab.host('laptop').http(`http://${host.ip}:8000/`, { body: { from: name } });
      expect([echo.status, echo.json()]).toEqual([200, { from: name }]);
    }
    const stream = await lab.host('laptop').http(`http://${lab.host('gpu1').ip}:8000/stream`);
    expect(stream.lines.map((line) => line.text)).toEqual(['one', 'two']);
    expect(stream.lines[1]!.at - stream.lines[0]!.at).toBeGreaterThan(40);
  });

  test('a client can leave after a line and be told of a refused connection', async () => {
    await using lab = await createLab({ hosts: ['gpu1', 'laptop'] });
    await lab.host('gpu1').node(['-e', ECHO_SERVER]).waitFor(/up/);
    const url = `http://${lab.host('gpu1').ip}`;
    const left = await lab.host('laptop').http(`${url}:8000/stream`, { abortAfterLines: 1 });
    expect([left.error, left.lines.length]).toEqual(['aborted', 1]);
    const refused = await lab.host('laptop').http(`${url}:8001/`);
    expect([refused.error, refused.status]).toEqual(['ECONNREFUSED', 0]);
  });

  test('a broadcast reaches every other host, and none of it leaves the lab', async () => {
    await using lab = await createLab({ hosts: ['gpu1', 'gpu2', 'laptop'] });
    const listeners = ['gpu1', 'gpu2'].map((name) => lab.host(name).node(['-e', UDP_LISTENER]));
    await Promise.all(listeners.map((listener) => listener.waitFor(/up/)));
    await lab.host('laptop').exec('node', ['-e', UDP_BROADCAST]);
    for (const listener of listeners) await listener.waitFor(/got 4c414e41 10\.77\.0\.3/);
    const routes = await lab.host('laptop').exec('ip', ['route']);
    expect(routes.stdout).not.toMatch(/default|eth1/);
  });

  test('a pulled cable stops traffic and a cable plugged in again carries it', async () => {
    await using lab = await createLab({ hosts: ['gpu1', 'laptop'] });
    const [server, client] = [lab.host('gpu1'), lab.host('laptop')];
    await server.node(['-e', ECHO_SERVER]).waitFor(/up/);
    const ask = (abortAfterMs: number) => client.http(`http://${server.ip}:8000/`, { abortAfterMs });
    expect((await ask(5000)).status).toBe(200);
    await server.linkDown();
    expect((await ask(300)).status).toBe(0);
    expect((await server.exec('ip', ['-br', 'addr', 'show', 'eth0'])).stdout).toMatch(
      /(LOWERLAYER)?DOWN.*10\.77\.0\.1/,
    );
    await server.linkUp();
    expect((await ask(5000)).status).toBe(200);
  });

  test('a second network connects only the hosts it was made for', async () => {
    await using lab = await createLab({ hosts: ['gpu1', 'gpu2', 'laptop'] });
    await lab.addSecondNetwork(['gpu2', 'laptop']);
    await lab.host('gpu2').node(['-e', ECHO_SERVER]).waitFor(/up/);
    expect(lab.host('gpu2').ips).toEqual(['10.77.0.2', '10.78.0.2']);
    expect((await lab.host('laptop').http('http://10.78.0.2:8000/')).status).toBe(200);
    await lab.host('gpu2').linkDown(0);
    expect((await lab.host('laptop').http('http://10.78.0.2:8000/')).status).toBe(200);
    expect((await lab.host('gpu1').http('http://10.78.0.2:8000/')).error).toBe('ENETUNREACH');
  });

  test('disposal ends every process and namespace', async () => {
    const before = networkNamespaces();
    let pid = 0;
    {
      await using lab = await createLab({ hosts: ['gpu1', 'laptop'] });
      const sleeper = lab.host('gpu1').spawn('sleep', ['600']);
      await lab.host('gpu1').exec('true');
      pid = sleeper.pid;
      expect([...networkNamespaces()].filter((ns) => !before.has(ns))).toHaveLength(3);
    }
    expect([...networkNamespaces()].filter((ns) => !before.has(ns))).toEqual([]);
    expect(() => process.kill(pid, 0)).toThrow('ESRCH');
  });
});

describe('a packet capture in the lab', () => {
  skipBecause(labAvailable() ?? captureUnavailable());

  test('shows the bytes of a broadcast with addresses and ports', async () => {
    await using lab = await createLab({ hosts: ['gpu1', 'laptop'] });
    await using onSwitch = await lab.capture({ filter: 'udp port 11436' });
    await using onHost = await lab.host('gpu1').capture({ filter: 'udp port 11436', interface: 'any' });
    await lab.host('laptop').exec('node', ['-e', UDP_BROADCAST]);
    for (const capture of [onSwitch, onHost]) {
      const packet = await capture.waitFor((seen) => seen.dport === 11436);
      expect([packet.protocol, packet.src, packet.dst]).toEqual(['udp', '10.77.0.2', '10.77.0.255']);
      expect(packet.payload.toString('hex')).toBe('4c414e41');
      expect(Math.abs(packet.time - Date.now())).toBeLessThan(10_000);
    }
    expect(onSwitch.packets).toHaveLength(1);
  });

  test('leaves this machine without a trace of the lab', async () => {
    expect((await run('ip', ['-br', 'link'])).stdout).not.toMatch(/br0|port1n0/);
    expect((await run('ip', ['netns', 'list'])).stdout).toBe('');
  });
});
