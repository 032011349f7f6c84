// #region resume
import { setTimeout as pause } from "node:timers/promises";
import { type InterruptData, interruptFromError } from "@behalf/sdk";

/** Runs the same call again until the user has answered; `show` tells them what to do. */
export async function untilAnswered<T>(
  call: () => Promise<T>,
  show: (interrupt: InterruptData) => void,
): Promise<T> {
  let shown: string | undefined;
  for (;;) {
    try {
      return await call();
    } catch (error) {
      const interrupt = interruptFromError(error);
      if (!interrupt) throw error; // a refusal or a failure: no user can repair it
      if (interrupt.code !== shown) show(interrupt);
      shown = interrupt.code;
      await pause((interrupt.approval?.intervalSeconds ?? 2) * 1000);
    }
  }
}
// #endregion
