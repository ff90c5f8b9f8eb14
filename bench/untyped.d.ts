/** The part of packages without types that the bench uses. */
declare module "autocannon" {
  namespace autocannon {
    interface Options {
      readonly url: string;
      readonly method?: string;
      readonly body?: Buffer;
      readonly connections: number;
      /** s */
      readonly duration: number;
      /** ms */
      readonly sampleInt?: number;
      /** s */
      readonly timeout?: number;
    }

    interface Result {
      readonly errors: number;
      readonly timeouts: number;
      readonly non2xx: number;
      readonly resets: number;
    }

    interface Run extends PromiseLike<Result> {
      on(
        event: "response",
        listener: (client: unknown, status: number, bytes: number, latencyMs: number) => void,
      ): this;
      stop(): void;
    }
  }

  function autocannon(options: autocannon.Options): autocannon.Run;
  export = autocannon;
}
