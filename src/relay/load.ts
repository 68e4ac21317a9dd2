/** What is at work at once, against what may be. */
export interface Load {
  readonly count: number;
  readonly limit: number;
  /** Counts one more; false, and nothing is counted, when there are as many as may be. */
  enter(): boolean;
  leave(): void;
}

export function createLoad(limit: number): Load {
  let count = 0;
  return {
    get count() {
      return count;
    },
    limit,
    enter() {
      if (count >= limit) return false;
      count += 1;
      return true;
    },
    leave() {
      count -= 1;
    },
  };
}
