// Runs the story against the demo's programs, in a process of its own that may ask for a crash.
import { spawn } from "node:child_process";
import { join } from "node:path";
import { pinnedNode, root } from "../runtime.mjs";

const TIMEOUT_MS = 120_000;

/** Resolves with the exit code: 0 when every step passed. */
export function runStory(programs, say) {
  const { issuer, assistantUrl, shopUrl, calendarUrl } = programs.configuration;
  const child = spawn(pinnedNode(), ["-C", "@behalf/source", join(root, "test", "e2e", "story-process.ts")], {
    cwd: root,
    env: { ...process.env, NODE_NO_WARNINGS: "1" },
    stdio: ["ignore", "inherit", "inherit", "ipc"],
  });
  child.send({ issuerUrl: issuer, assistantUrl, shopUrl, calendarUrl });
  child.on("message", async ({ crash }) => {
    if (!crash) return;
    await programs.crashAndRestart(crash);
    if (child.connected) child.send({ restarted: crash });
  });
  return new Promise((resolve) => {
    const timer = setTimeout(() => {
      say(`The story took longer than ${TIMEOUT_MS / 1000} s.`);
      child.kill("SIGKILL");
    }, TIMEOUT_MS);
    child.once("exit", (code) => {
      clearTimeout(timer);
      resolve(code ?? 1);
    });
  });
}
