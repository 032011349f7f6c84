import type { Sealer } from "../crypto/seal.ts";
import { assert } from "../lib/assert.ts";
import { reveal, secret } from "../lib/secret.ts";

/** A message in the outbox: nothing of it can be read there, not even whom it is for. */
export interface SealedMessage {
  readonly key: string;
  readonly sealed: string;
}

/** Seals under a key of its own, bound to the message's id and topic; it opens in that row alone. */
export function sealMessage(sealer: Sealer, topic: string, id: string, message: object): SealedMessage {
  const owner = ownerOf(id);
  const key = sealer.newDataKey(owner);
  const sealed = sealer.seal(key, owner, { purpose: topic, id }, secret(JSON.stringify(message)));
  return { key: key.toString("base64"), sealed: sealed.toString("base64") };
}

/** @throws SealError when it was made for another id or topic, or changed. */
export function openMessage(sealer: Sealer, topic: string, id: string, payload: unknown): unknown {
  assert(
    typeof payload === "object" && payload !== null && "key" in payload && "sealed" in payload,
    "the outbox holds sealed messages",
  );
  const [key, sealed] = [payload.key, payload.sealed].map((part) => Buffer.from(String(part), "base64"));
  assert(key && sealed, "a sealed message has a key and a content");
  return JSON.parse(reveal(sealer.open(key, ownerOf(id), { purpose: topic, id }, sealed)));
}

function ownerOf(id: string) {
  return { owner: "message", id };
}
