import assert from 'node:assert/strict';

/** Header and payload of anything shaped like a signed JWT; the emulator's access tokens; private keys. */
const TOKEN_LIKE = /eyJ[\w-]{10,}\.eyJ[\w-]{10,}|ya29\.[\w-]{10,}|1\/\/0[\w-]{10,}|PRIVATE KEY/;

/**
 * R23: fails when a text that leaves the program holds a token: one of those given, or anything that looks like one.
 * @param where named in the failure
 * @param tokens every token the emulator gave out
 */
export function assertNoToken(where: string, text: string, tokens: Iterable<string> = []): void {
  for (const token of tokens) {
    assert.ok(!text.includes(token), `a token is in ${where}`);
    // Without its signature a token is of no use, but it has no business there either.
    const unsigned = token.slice(0, token.lastIndexOf('.'));
    assert.ok(unsigned.length < 20 || !text.includes(unsigned), `the claims of a token are in ${where}`);
  }
  assert.doesNotMatch(text, TOKEN_LIKE, `something like a token is in ${where}`);
}
