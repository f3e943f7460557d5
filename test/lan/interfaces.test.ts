import { describe, expect, test } from 'vitest';
import { until } from '../_deadline.ts';
import { skipBecause } from '../_skip.ts';
import { captureUnavailable } from './_capture.ts';
import { clientOn, LOCAL_FACE, serveOn, serversSeenBy, simulatedOn, untilListed } from './_fleet.ts';
import { createLab, type LabHost, labAvailable } from './_lab.ts';

const MODEL = { name: 'tiny' };
const CHAT = { body: { model: 'tiny', messages: [{ role: 'user', content: 'hi' }] } };

const chat = (host: LabHost) => host.http(`${LOCAL_FACE}/api/chat`, CHAT);

/** Where a host's ollana reaches its servers, by name. */
async function urlsSeenBy(host: LabHost): Promise<Record<string, string>> {
  const status = await host.http(`${LOCAL_FACE}/ollana/api/status`);
  const { servers } = status.json() as { servers: { name: string; url: string }[] };
  return Object.fromEntries(servers.map(({ name, url }) => [name, url]));
}

// No host of the lab has a default route.
describe('interfaces that change', { timeout: 60_000 }, () => {
  skipBecause(labAvailable());

  test('a server whose address is replaced is used at the new one', async () => {
    await using lab = await createLab({ hosts: ['gpu1', 'laptop'] });
    const laptop = lab.host('laptop');
    await simulatedOn(lab.host('gpu1'), { models: [MODEL] });
    await using _server = await serveOn(lab.host('gpu1'));
    await using _client = await clientOn(laptop);
    await untilListed(laptop, ['tiny']);
    await lab.host('gpu1').changeAddress('10.77.0.99');
    const changedAt = performance.now();
    const answer = await chat(laptop);
    expect(answer.status, answer.text).toBe(200);
    const answeredMs = performance.now() - changedAt;
    await until(10_000, 'the new address to be in use', async () =>
      (await urlsSeenBy(laptop)).gpu1?.includes('10.77.0.99'),
    );
    const movedMs = performance.now() - changedAt;
    console.log(
      `address replaced: a request sent at once answered after ${answeredMs.toFixed(0)} ms, the new address in use after ${movedMs.toFixed(0)} ms`,
    );
    expect(movedMs).toBeLessThan(5000);
    expect((await chat(laptop)).status).toBe(200);
  });

  test('a laptop whose address is replaced goes on', async () => {
    await using lab = await createLab({ hosts: ['gpu1', 'laptop'] });
    const laptop = lab.host('laptop');
    await simulatedOn(lab.host('gpu1'), { models: [MODEL] });
    await using _server = await serveOn(lab.host('gpu1'));
    await using _client = await clientOn(laptop);
    await untilListed(laptop, ['tiny']);
    await laptop.changeAddress('10.77.0.88');
    const changedAt = performance.now();
    const answer = await chat(laptop);
    expect(answer.status, answer.text).toBe(200);
    console.log(
      `own address replaced: a request sent at once answered after ${(performance.now() - changedAt).toFixed(0)} ms`,
    );
    expect(performance.now() - changedAt).toBeLessThan(5000);
    const [server] = await serversSeenBy(laptop);
    expect(server?.verdict).toBe('reliable');
  });

  test('a stream that runs while the laptop gets another address ends with an error, and blames nobody', async () => {
    await using lab = await createLab({ hosts: ['gpu1', 'laptop'] });
    const laptop = lab.host('laptop');
    await simulatedOn(lab.host('gpu1'), {
      models: [{ name: 'tiny', tokensPerSecond: 5 }],
      answer: 'word '.repeat(200),
    });
    await using _server = await serveOn(lab.host('gpu1'));
    await using _client = await clientOn(laptop);
    await untilListed(laptop, ['tiny']);
    let changing: Promise<void> | undefined;
    let changedAt = 0;
    const answer = await laptop.http(`${LOCAL_FACE}/api/chat`, {
      ...CHAT,
      onLine: () => {
        changing ??= laptop.changeAddress('10.77.0.88').then(() => {
          changedAt = Date.now();
        });
      },
    });
    await changing;
    const endedMs = answer.startedAt + answer.totalMs - changedAt;
    console.log(`own address replaced in mid-stream: its end told after ${endedMs.toFixed(0)} ms`);
    expect(JSON.parse(answer.lines.at(-1)!.text)).toHaveProperty('error');
    expect(endedMs).toBeLessThan(5000);
    const [server] = await serversSeenBy(laptop);
    expect(server?.verdict).toBe('reliable');
  });

  test('links that go down and up again and again cost no request', async () => {
    await using lab = await createLab({ hosts: ['gpu1', 'laptop'] });
    const laptop = lab.host('laptop');
    await simulatedOn(lab.host('gpu1'), { models: [MODEL] });
    await using _server = await serveOn(lab.host('gpu1'));
    await using _client = await clientOn(laptop);
    await untilListed(laptop, ['tiny']);
    const times: number[] = [];
    for (const host of [laptop, lab.host('gpu1'), laptop, lab.host('gpu1')]) {
      await host.linkDown();
      const asked = chat(laptop);
      // Long enough for the system's own watch of its links to see it.
      const { code } = await laptop.exec('sleep', ['1.5']);
      expect(code).toBe(0);
      const upAt = Date.now();
      await host.linkUp();
      const answer = await asked;
      expect([answer.status, answer.error], answer.text).toEqual([200, undefined]);
      times.push(answer.startedAt + answer.totalMs - upAt);
    }
    console.log(
      `link down for 1.5 s: a waiting request answered ${times.map((ms) => ms.toFixed(0)).join(', ')} ms after it was up`,
    );
    expect(Math.max(...times)).toBeLessThan(5000);
  });

  test('a network plugged in after the start is used within two seconds, and no more when it is pulled out', async () => {
    await using lab = await createLab({ hosts: ['gpu1', 'laptop'] });
    const [laptop, far] = [lab.host('laptop'), await lab.addHost('gpu2')];
    await simulatedOn(lab.host('gpu1'), { models: [MODEL] });
    await simulatedOn(far, { models: [{ name: 'other' }] });
    await using _first = await serveOn(lab.host('gpu1'));
    // It has no network at all yet.
    await using _second = await serveOn(far);
    await using _client = await clientOn(laptop);
    await untilListed(laptop, ['tiny']);
    const pluggedAt = performance.now();
    await lab.addSecondNetwork(['gpu2', 'laptop']);
    await untilListed(laptop, ['tiny', 'other']);
    const foundMs = performance.now() - pluggedAt;
    console.log(
      `interface added on both sides: models of the server there listed after ${foundMs.toFixed(0)} ms`,
    );
    expect(foundMs).toBeLessThan(2000);
    const unpluggedAt = performance.now();
    await laptop.configure(['link del eth1']);
    await until(10_000, 'the server there to be out of use', async () => {
      const seen = await serversSeenBy(laptop);
      return !seen.some(({ name, verdict }) => name === 'gpu2' && verdict === 'reliable');
    });
    const lostMs = performance.now() - unpluggedAt;
    console.log(`interface removed: the server there out of use after ${lostMs.toFixed(0)} ms`);
    expect(lostMs).toBeLessThan(8000);
    expect((await chat(laptop)).status).toBe(200);
  });
});

describe('virtual interfaces', { timeout: 60_000 }, () => {
  skipBecause(labAvailable() ?? captureUnavailable());

  test('a bridge of containers is used like any network, their cables and a tunnel without a net disturb nobody', async () => {
    await using lab = await createLab({ hosts: ['gpu1', 'laptop', 'container', 'vpn'] });
    const [laptop, container, vpn] = [lab.host('laptop'), lab.host('container'), lab.host('vpn')];
    // As Docker makes it: the host's end of a container's cable has nothing but a link-local IPv6 address.
    await laptop.configure([
      'link add docker0 type bridge',
      'addr add 172.17.0.1/16 brd + dev docker0',
      'link set docker0 up',
      `link add veth1 type veth peer name eth9 netns ${container.namespace.pid}`,
      'link set veth1 master docker0 up',
      // As a VPN makes it: an address, and one at the other end.
      `link add tun0 type veth peer name tun0 netns ${vpn.namespace.pid}`,
      'addr add 10.8.0.2 peer 10.8.0.1/32 dev tun0',
      'link set tun0 up',
    ]);
    await container.configure([
      'link set eth0 down',
      'addr add 172.17.0.2/16 brd + dev eth9',
      'link set eth9 up',
    ]);
    await vpn.configure(['addr add 10.8.0.1 peer 10.8.0.2/32 dev tun0', 'link set tun0 up']);
    const linkLocalOf = async (name: string) => {
      const { stdout } = await laptop.exec('ip', [
        '-6',
        '-o',
        'addr',
        'show',
        'dev',
        name,
        'scope',
        'link',
        '-tentative',
      ]);
      return stdout.includes('fe80:');
    };
    await until(
      5000,
      'link-local addresses',
      async () => (await linkLocalOf('veth1')) && (await linkLocalOf('docker0')),
    );
    await using cable = await laptop.capture({ filter: 'udp port 11436', interface: 'veth1' });
    await using tunnel = await laptop.capture({ filter: 'udp port 11436', interface: 'tun0' });
    await simulatedOn(container, { models: [MODEL] });
    await using _inside = await serveOn(container);
    await using client = await clientOn(laptop);
    await untilListed(laptop, ['tiny']);
    expect((await urlsSeenBy(laptop)).container).toBe('http://172.17.0.2:11435');
    const [asked] = await Promise.all([
      tunnel.waitFor(({ dst }) => dst === '255.255.255.255'),
      // By the bridge.
      cable.waitFor(({ src, dst }) => src === '172.17.0.1' && dst === '172.17.255.255'),
    ]);
    expect(asked.src).toBe('10.8.0.2');
    // Who has no IPv4 on an interface would speak to this group.
    expect(cable.packets.filter(({ dst }) => dst.endsWith('cc41:4e41'))).toEqual([]);
    expect(client.process.output).not.toMatch(/cannot (send|listen)/);
  });
});
