/** Runs in the window that connected an account: tells the conversation, then closes. */
const sheet = document.querySelector<HTMLElement>("[data-connect-error]");
const error = sheet?.dataset["connectError"] || undefined;
const channel = new BroadcastChannel("assistant");
channel.postMessage({ type: "connected", error });
// Long enough to read that it worked.
setTimeout(() => window.close(), error ? 2_500 : 900);
