import { createMemoryStore } from "./store.ts";
import { storeContract } from "./stores/suite.ts";

storeContract("the memory store", { create: createMemoryStore });
