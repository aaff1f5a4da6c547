const PREFIX = "faceflow-uploads/";

/** Who is at work in the tabs of one browser; where it has no locks, everybody seems to be alone. */
export interface Presence {
  /** Be present until the returned function is called, or the tab closes. */
  enter(name: string): Promise<() => void>;
  /** Call `run` with the names of who is present, while nobody else calls this. */
  among<Result>(run: (present: ReadonlySet<string>) => Promise<Result>): Promise<Result>;
}

const locksOf = (): LockManager | undefined =>
  typeof navigator === "undefined" ? undefined : (navigator as Partial<Navigator>).locks;

export const presence: Presence = {
  async enter(name) {
    const locks = locksOf();
    if (!locks) return () => undefined;
    return new Promise((resolve, reject) => {
      locks.request(PREFIX + name, () => new Promise<void>(resolve)).catch(reject);
    });
  },

  async among(run) {
    const locks = locksOf();
    if (!locks) return run(new Set());
    return await locks.request(PREFIX, async () => {
      const held = (await locks.query()).held ?? [];
      return run(new Set(held.map(({ name }) => name?.slice(PREFIX.length) ?? "")));
    });
  },
};
