export { type Config, ConfigError, loadConfig, parseConfig } from "./config.ts";
export { openServices, type RunningServer, type Services, type StartOptions, startServer } from "./main.ts";
