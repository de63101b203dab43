import { expect, it } from "vitest";

import { confirmationOf } from "./confirmations";
import { flowOf } from "./flow";

const runs = (policy: string): object => ({ run: { state: "running" }, schedule: { concurrencyPolicy: policy } });

it("asks before work or ticks are lost", () => {
  expect(confirmationOf({ verb: "stop" }, "load", flowOf({}))?.action).toBe("Stop");
  expect(confirmationOf({ verb: "pause" }, "load", flowOf({}))?.title).toBe("Pause load?");
  expect(confirmationOf({ verb: "run" }, "load", flowOf(runs("Replace")))?.action).toBe("Stop it and run");
});

it("does not ask where nothing is lost", () => {
  expect(confirmationOf({ verb: "resume" }, "load", flowOf({}))).toBeNull();
  expect(confirmationOf({ verb: "run" }, "load", flowOf(runs("Allow")))).toBeNull();
  expect(confirmationOf({ verb: "re-run", fromFailed: true }, "load", flowOf({}))).toBeNull();
});
