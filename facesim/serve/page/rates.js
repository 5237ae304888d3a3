/** The error rates at a threshold, from the model file: its distances, or its operating points. */

/** Return {fmr, fnmr, note}: rates from 0 to 1, or null, and a sentence that says where they come from. */
export function ratesAt(threshold, model) {
  const { distances, operating_points: points } = model;
  const worst = worstAt(threshold, points);
  const stored = points.find((point) => point.threshold === threshold);
  if (stored) return { ...stored, note: `Measured ${on(stored.data)}.${worst}` };
  if (distances) {
    const { data, step, genuine, impostor } = distances;
    const pairs = `${total(impostor).toLocaleString("en")} pairs of strangers and ${total(genuine).toLocaleString("en")}`;
    return {
      fmr: shareBelow(impostor, step, threshold),
      fnmr: 1 - shareBelow(genuine, step, threshold),
      note: `Measured ${on(data)}, ${pairs} of one person.${worst}`,
    };
  }
  if (!points.length) return { fmr: null, fnmr: null, note: "The model file does not say how often it is wrong." };
  const nearest = points.reduce((a, b) => (gap(b, threshold) < gap(a, threshold) ? b : a));
  const where = `${nearest.name}, threshold ${nearest.threshold.toFixed(3)}`;
  return { ...nearest, note: `At the nearest stored threshold (${where}), measured ${on(nearest.data)}.${worst}` };
}

/** Return the share of counted distances that lie below a threshold; within a bin they are spread evenly. */
function shareBelow(counts, step, threshold) {
  const bins = threshold / step;
  return total(counts.map((count, i) => count * Math.min(1, Math.max(0, bins - i)))) / total(counts);
}

function total(counts) {
  return counts.reduce((sum, count) => sum + count, 0);
}

function gap(point, threshold) {
  return Math.abs(point.threshold - threshold);
}

function on(data) {
  return data ? `on ${data}` : "on unseen people";
}

/** Say the highest FMR recorded at this threshold, or at the next less strict one; "" where none is higher. */
function worstAt(threshold, points) {
  const looser = points.filter((point) => point.threshold >= threshold - 0.0005); // the slider's step is 0.001
  if (!looser.length) return "";
  const point = looser.reduce((a, b) => (b.threshold < a.threshold ? b : a));
  if (!point.worst || point.worst.fmr <= point.fmr) return "";
  const { data, group, fmr } = point.worst;
  return ` People differ: at “${point.name}”, FMR was up to ${percent(fmr)} on ${data}${group ? ` (${group})` : ""}.`;
}

/** Return a share as a percentage with two digits. */
export function percent(share) {
  if (share === null || Number.isNaN(share)) return "not known";
  if (share === 0) return "0 %";
  if (share > 0.9995) return share === 1 ? "100 %" : "over 99.9 %";
  if (share < 0.00001) return "under 0.001 %";
  return `${Number((100 * share).toPrecision(share < 0.1 ? 2 : 3))} %`;
}
