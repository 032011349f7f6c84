import type { LanguageModel } from "ai";
import { createOfflineModel } from "./offline-model.ts";
import { SettingsError } from "./settings.ts";

/** The model that answers, and what the page calls it. */
export interface ChosenModel {
  model: LanguageModel;
  label: string;
  offline: boolean;
}

/** Packages of the AI SDK whose factory is not the camel-cased name of the provider. */
const FACTORIES: Readonly<Record<string, string>> = {
  "amazon-bedrock": "bedrock",
  "google-vertex": "vertex",
  "openai-compatible": "openai",
};

/**
 * The model that `ASSISTANT_MODEL` names, from its provider's own package; without a name the scripted one.
 * The provider reads its key from its own environment variable, such as `OPENAI_API_KEY`.
 * @throws SettingsError saying what to install
 */
export async function chooseModel(name: string | undefined): Promise<ChosenModel> {
  if (!name) return { model: createOfflineModel(), label: "Scripted, offline", offline: true };
  const slash = name.indexOf("/");
  const [provider, modelId] = [name.slice(0, slash), name.slice(slash + 1)];
  const packageName = `@ai-sdk/${provider}`;
  const module = await importProvider(packageName);
  const factory = module[FACTORIES[provider] ?? camelCase(provider)];
  if (typeof factory !== "function") {
    throw new SettingsError([
      `ASSISTANT_MODEL: ${packageName} has no provider that could be used by this name`,
    ]);
  }
  // Every AI SDK provider is a function from a model's id to the model.
  return { model: (factory as (id: string) => LanguageModel)(modelId), label: name, offline: false };
}

async function importProvider(packageName: string): Promise<Record<string, unknown>> {
  try {
    return (await import(packageName)) as Record<string, unknown>; // a module is an object of its exports
  } catch (error) {
    const missing = error instanceof Error && "code" in error && error.code === "ERR_MODULE_NOT_FOUND";
    if (!missing) throw error;
    throw new SettingsError([
      `ASSISTANT_MODEL: ${packageName} is not installed; run: npm install --no-save ${packageName}`,
    ]);
  }
}

function camelCase(name: string): string {
  return name.replace(/-(\w)/g, (_, letter: string) => letter.toUpperCase());
}
