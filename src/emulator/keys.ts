import { createHash, generateKeyPair, type KeyObject } from 'node:crypto';
import { promisify } from 'node:util';
import { ACCOUNTS, type Account } from './directory.ts';

/** An RSA-2048 key pair with its name. */
export interface SigningKey {
  /** 40 hexadecimal digits, as Google's own `kid`s. */
  readonly id: string;
  readonly privateKey: KeyObject;
  readonly publicKey: KeyObject;
}

/** Every private key in the emulator, new at each start. */
export interface Keys {
  /** Google's own, under every ID token. */
  readonly google: SigningKey;
  /** Of the service accounts that hold a key file. */
  readonly developer: SigningKey;
  readonly stranger: SigningKey;
}

const generate = promisify(generateKeyPair);

/** Makes all keys at once, off the main thread. */
export async function generateKeys(): Promise<Keys> {
  const [google, developer, stranger] = await Promise.all([
    generateSigningKey(),
    generateSigningKey(),
    generateSigningKey(),
  ]);
  return { google, developer, stranger };
}

/** The key a service account signs its assertions with, if it has one. */
export function findAccountKey(keys: Keys, account: Account): SigningKey | undefined {
  if (account === ACCOUNTS.developer) return keys.developer;
  return account === ACCOUNTS.stranger ? keys.stranger : undefined;
}

async function generateSigningKey(): Promise<SigningKey> {
  const { privateKey, publicKey } = await generate('rsa', { modulusLength: 2048 });
  const fingerprint = createHash('sha256').update(publicKey.export({ type: 'spki', format: 'der' }));
  return { id: fingerprint.digest('hex').slice(0, 40), privateKey, publicKey };
}
