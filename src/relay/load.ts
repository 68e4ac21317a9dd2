/** What is at work at once, against what may be. */
export interface Load {
  readonly count: number;
  readonly limit: number;
  /** Counts one more; false, and nothing is counted, when there are as many as may be. */
  enter(): boolean;
  leave(): void;
  /** What is at work beyond the new limit goes on. */
  setLimit(limit: number): void;
}

export function createLoad(initialLimit: number): Load {
  let count = 0;
  let limit = initialLimit;
  return {
    get count() {
      return count;
    },
    get limit() {
      return limit;
    },
    enter() {
      if (count >= limit) return false;
      count += 1;
      return true;
    },
    leave() {
      count -= 1;
    },
    setLimit(next) {
      limit = next;
    },
  };
}
