import { z } from "zod";

export const probeKind = z.enum(["create", "exit notice"]);

/** Probes one after the other for that long, and at least once. */
export const probeCommand = z.object({ kind: probeKind, forMs: z.number() });

export const probeAnswer = z.object({ samples_ms: z.array(z.number()) });

export type ProbeKind = z.infer<typeof probeKind>;
export type ProbeAnswer = z.infer<typeof probeAnswer>;
