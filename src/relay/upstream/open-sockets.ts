/** Sockets that speak WebSocket by now, which no server counts among its requests: to take leave of them. */
export interface OpenSockets {
  /**
   * @param leave says goodbye to both ends, as far as that can be said
   * @returns to be called once the socket is closed
   */
  add(leave: () => void): () => void;
  /** Takes leave of all. How many there were. */
  leaveAll(): number;
}

export function createOpenSockets(): OpenSockets {
  const open = new Set<() => void>();
  return {
    add(leave) {
      open.add(leave);
      return () => open.delete(leave);
    },
    leaveAll() {
      const count = open.size;
      for (const leave of [...open]) leave();
      return count;
    },
  };
}
