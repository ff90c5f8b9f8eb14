/** Cases of the promise "framing": where a message ends, whoever sends it and however it is cut into packets. */
import type { Case } from "../case.ts";
import { framingAnswers } from "./framing-answers.ts";
import { framingChunks } from "./framing-chunks.ts";
import { framingEarlyAnswers } from "./framing-early-answers.ts";
import { framingHttp10 } from "./framing-http10.ts";
import { framingInterim } from "./framing-interim.ts";
import { framingPieces } from "./framing-pieces.ts";
import { framingPipelining } from "./framing-pipelining.ts";
import { framingRefused } from "./framing-refused.ts";
import { framingRequests } from "./framing-requests.ts";
import { framingReuse } from "./framing-reuse.ts";
import { framingSmuggling } from "./framing-smuggling.ts";
import { framingTrailers } from "./framing-trailers.ts";

export const framing: readonly Case[] = [
  framingRequests,
  framingRefused,
  framingSmuggling,
  framingChunks,
  framingTrailers,
  framingAnswers,
  framingInterim,
  framingEarlyAnswers,
  framingHttp10,
  framingPipelining,
  framingReuse,
  framingPieces,
].flat();
