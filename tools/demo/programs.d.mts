export function createPrograms(options: {
  configuration: object;
  dataDir: string;
  say: (line: string) => void;
  onDeath: (line: string) => void;
}): {
  start(): Promise<void>;
  stop(): Promise<void>;
  crashAndRestart(program: string): Promise<void>;
};
