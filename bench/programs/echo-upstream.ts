/** A WebSocket service that says everything back. */
import { createServer } from 'node:http';
import { WebSocketServer } from 'ws';
import { listen } from './task.ts';

const MAX_MESSAGE_BYTES = 2_097_152;

const server = createServer();
const sockets = new WebSocketServer({ server, maxPayload: MAX_MESSAGE_BYTES });
sockets.on('connection', (socket) => {
  socket.on('message', (data, isBinary) => socket.send(data, { binary: isBinary }));
  socket.on('error', () => socket.terminate());
});
listen(server);
