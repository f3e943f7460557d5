import { randomBytes } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { answerOffer, type Parties, ShownCode } from '../src/security/pairing.ts';

const PARTIES: Parties = {
  hostId: 'a'.repeat(64),
  hostName: 'gpu',
  guestId: 'b'.repeat(64),
  guestName: 'laptop',
};

/** Another code than this one. */
const other = (digits: string) => String((Number(digits) + 1) % 1_000_000).padStart(6, '0');

describe('a code of six digits', () => {
  it('pairs the two that know it, each sure of the other', () => {
    const code = new ShownCode();
    expect(code.digits).toMatch(/^\d{6}$/);
    const answer = answerOffer(code, code.digits, PARTIES);
    const proof = code.judge(answer, PARTIES);
    expect(proof && answer.isHost(proof)).toBe(true);
  });

  it('is good for one try, right or wrong', () => {
    const code = new ShownCode();
    expect(code.judge(answerOffer(code, other(code.digits), PARTIES), PARTIES)).toBeUndefined();
    expect(code.judge(answerOffer(code, code.digits, PARTIES), PARTIES)).toBeUndefined();
    const used = new ShownCode();
    expect(used.judge(answerOffer(used, used.digits, PARTIES), PARTIES)).toBeDefined();
    expect(used.judge(answerOffer(used, used.digits, PARTIES), PARTIES)).toBeUndefined();
  });

  it.each(['hostId', 'guestId', 'hostName', 'guestName'] as const)(
    'does not pair two that see another %s, even with the right code',
    (member) => {
      const code = new ShownCode();
      const answer = answerOffer(code, code.digits, { ...PARTIES, [member]: 'c'.repeat(64) });
      expect(code.judge(answer, PARTIES)).toBeUndefined();
    },
  );

  it('has a guest refuse a host that does not know it, or only repeats what it was sent', () => {
    const [code, impostor] = [new ShownCode(), new ShownCode()];
    const answer = answerOffer(impostor, code.digits, PARTIES);
    for (const proof of [answer.proof, randomBytes(32), Buffer.alloc(0), Buffer.alloc(32)])
      expect(answer.isHost(proof)).toBe(false);
    expect(impostor.judge(answer, PARTIES)).toBeUndefined();
  });

  it('is not to be had by numbers that make the key known', () => {
    // 0 and multiples of the group's prime: the key would be 0 whatever the code.
    const zero = Buffer.alloc(384);
    const large = Buffer.alloc(384, 0xff);
    for (const guestKey of [zero, Buffer.alloc(1), large, Buffer.alloc(385, 1), Buffer.alloc(0)]) {
      const code = new ShownCode();
      expect(code.judge({ guestKey, proof: randomBytes(32) }, PARTIES)).toBeUndefined();
    }
    for (const hostKey of [zero, Buffer.alloc(1), large, Buffer.alloc(385, 1)])
      expect(() => answerOffer({ salt: randomBytes(16), hostKey }, '123456', PARTIES)).toThrow();
  });

  it('is another every time, and all digits come', () => {
    const codes = Array.from({ length: 12 }, () => new ShownCode());
    expect(new Set(codes.map(({ digits }) => digits)).size).toBeGreaterThan(10);
    expect(new Set(codes.map(({ salt }) => salt.toString('hex'))).size).toBe(12);
  });
});
