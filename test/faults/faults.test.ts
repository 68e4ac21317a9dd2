import { test } from 'node:test';
import { isPlayable, runCampaign, SEED, toCount } from './campaign.ts';
import { CLIENT_CONDUCTS } from './clients.ts';
import { chooseCombinations } from './combinations.ts';
import { DOOR_CONDUCTS } from './door-conducts.ts';
import { HTTP2_CLIENT_CONDUCTS } from './http2-clients.ts';
import { UPSTREAM_CONDUCTS } from './upstreams.ts';
import { UNASKED_SWITCHES } from './websocket-upstreams.ts';

const COUNT = toCount(2_000, 34_000);
const CLIENTS = [...CLIENT_CONDUCTS, ...HTTP2_CLIENT_CONDUCTS].filter(isPlayable);
const UPSTREAMS = [...UPSTREAM_CONDUCTS, ...UNASKED_SWITCHES, ...DOOR_CONDUCTS].filter(isPlayable);

test(`R35, R41, R42, R44, R46, R49, R50, R51, R54, R58: whatever ${COUNT} pairs of clients and upstreams do to each other, each sees what it should, and nothing stays behind`, async (t) => {
  await runCampaign(t, chooseCombinations(CLIENTS, UPSTREAMS, { seed: SEED, count: COUNT }));
});
