import { test } from 'node:test';
import { isPlayable, runCampaign, SEED, toCount } from './campaign.ts';
import { chooseCombinations } from './combinations.ts';
import { DOOR_CONDUCTS } from './door-conducts.ts';
import { UPSTREAM_CONDUCTS } from './upstreams.ts';
import { WEBSOCKET_CLIENTS } from './websocket-clients.ts';
import { WEBSOCKET_UPSTREAMS } from './websocket-upstreams.ts';

const COUNT = toCount(1_200, 12_000);
const CLIENTS = WEBSOCKET_CLIENTS.filter(isPlayable);
const DOORS = DOOR_CONDUCTS.filter(({ name }) => !name.startsWith('HTTP/2'));
const UPSTREAMS = [...WEBSOCKET_UPSTREAMS, ...UPSTREAM_CONDUCTS, ...DOORS].filter(isPlayable);

test(`R35, R42, R45, R46, R47, R51, R54: whatever becomes of ${COUNT} WebSocket handshakes, each side sees what it should, and nothing stays behind`, async (t) => {
  await runCampaign(t, chooseCombinations(CLIENTS, UPSTREAMS, { seed: SEED, count: COUNT }));
});
