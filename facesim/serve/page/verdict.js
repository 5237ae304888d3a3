/** The verdict in words. It follows the threshold without a request: the distance stays the same. */

/** Return {same, words, reason, odds} for a distance, a threshold and the server's words on the probability. */
export function verdictAt(threshold, { distance, probability, text }) {
  const same = distance < threshold;
  const contradicted = same === probability >= 0.5 ? "" : `; the threshold asks for ${same ? "less" : "more"}`;
  return {
    same,
    words: same ? "Same person." : "Different people.",
    reason: `The distance, ${distance.toFixed(4)}, is ${same ? "" : "not "}below the threshold, ${threshold.toFixed(4)}.`,
    odds: `Probability: ${text.probability.split(";")[0]}${contradicted}.`,
  };
}
