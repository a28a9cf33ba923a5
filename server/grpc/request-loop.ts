/**
 * Acts on each request of a stream as it comes, beside the loop that answers. It tells by `onEnd`
 * that it is over: because the client half-closed, or because of a failure, which `check` throws.
 */
export class RequestLoop<Request> {
  #state: "open" | "ended" | "failed" = "open";
  #failure: unknown;

  constructor(
    requests: AsyncIterator<Request>,
    act: (request: Request) => void,
    onEnd: () => void,
  ) {
    this.#run(requests, act)
      .then(
        () => {
          this.#state = "ended";
        },
        (error: unknown) => {
          this.#state = "failed";
          this.#failure = error;
        },
      )
      .finally(onEnd);
  }

  /**
   * Whether the client has half-closed, and all that it sent has been acted on.
   *
   * @throws what acting on a request threw
   */
  check(): boolean {
    if (this.#state === "failed") throw this.#failure;
    return this.#state === "ended";
  }

  async #run(requests: AsyncIterator<Request>, act: (request: Request) => void): Promise<void> {
    for (;;) {
      const next = await requests.next();
      if (next.done === true) return;
      act(next.value);
    }
  }
}
