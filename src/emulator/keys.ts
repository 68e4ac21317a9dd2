import { createHash, generateKeyPair, type KeyObject } from 'node:crypto';
import { promisify } from 'node:util';
import { ACCOUNTS, type Account } from './directory.ts';
import { type Claims, verifySignature } from './jwt.ts';

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
  /** Under every token of GitHub's; made when first needed. */
  github(): Promise<SigningKey>;
  /** The key Google itself keeps for a service account, and signs with for those who may; made when first needed. */
  managed(account: Account): Promise<SigningKey>;
  /** Of those, the one that was needed before, if any. */
  findManaged(account: Account): SigningKey | undefined;
}

const generate = promisify(generateKeyPair);

/** Makes the keys everybody needs at once, off the main thread. */
export async function generateKeys(): Promise<Keys> {
  const [google, developer, stranger] = await Promise.all([
    generateSigningKey(),
    generateSigningKey(),
    generateSigningKey(),
  ]);
  const managed = new Map<Account, SigningKey>();
  const making = new Map<string, Promise<SigningKey>>();
  const once = (name: string): Promise<SigningKey> => {
    const key = making.get(name) ?? generateSigningKey();
    making.set(name, key);
    return key;
  };
  return {
    google,
    developer,
    stranger,
    github: () => once('github'),
    async managed(account) {
      const key = await once(account.email);
      managed.set(account, key);
      return key;
    },
    findManaged: (account) => managed.get(account),
  };
}

/** The keys a service account's signatures may be made with: of its key file, and the one Google signs with for it. */
export function findAccountKeys(keys: Keys, account: Account): readonly SigningKey[] {
  const files = new Map<Account, SigningKey>([
    [ACCOUNTS.developer, keys.developer],
    [ACCOUNTS.stranger, keys.stranger],
  ]);
  return [files.get(account), keys.findManaged(account)].filter((key) => key !== undefined);
}

/** The claims of a JWT if it was signed with one of the account's keys. */
export async function verifyAccountSignature(
  keys: Keys,
  account: Account,
  token: string,
): Promise<Claims | undefined> {
  const results = findAccountKeys(keys, account).map((key) => verifySignature(token, key.publicKey));
  return (await Promise.all(results)).find((claims) => claims !== undefined);
}

/** A new key, made off the main thread. */
export async function generateSigningKey(): Promise<SigningKey> {
  const { privateKey, publicKey } = await generate('rsa', { modulusLength: 2048 });
  const fingerprint = createHash('sha256').update(publicKey.export({ type: 'spki', format: 'der' }));
  return { id: fingerprint.digest('hex').slice(0, 40), privateKey, publicKey };
}
