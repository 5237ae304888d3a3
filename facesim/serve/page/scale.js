/** The distance on a scale, with the threshold and the distributions behind it, as an SVG. */

const SVG = "http://www.w3.org/2000/svg";
const HEIGHT = 190;
const [TOP, BOTTOM, INSET] = [40, 24, 11]; // pixels; INSET is half of the slider's thumb

/** Draw `scale`: {distances, max, distance, threshold}; the distance may be null, and so may the distributions. */
export function drawScale(svg, { distances, max, distance, threshold }) {
  const width = svg.clientWidth;
  const x = (value) => INSET + (Math.min(value, max) / max) * (width - 2 * INSET);
  const floor = HEIGHT - BOTTOM;
  svg.setAttribute("viewBox", `0 0 ${width} ${HEIGHT}`);
  svg.querySelectorAll(":scope > :not(title)").forEach((part) => part.remove());
  if (distances) {
    for (const kind of ["impostor", "genuine"]) {
      const outline = area(distances[kind], distances.step, x, floor, max);
      svg.append(shape("path", { class: kind, d: outline }));
      const wrong = kind === "impostor" ? [0, x(threshold)] : [x(threshold), width - x(threshold)];
      const clip = shape("clipPath", { id: `wrong-${kind}` });
      clip.append(shape("rect", { x: wrong[0], y: 0, width: Math.max(0, wrong[1]), height: HEIGHT }));
      svg.append(clip, shape("path", { class: `${kind} wrong`, d: outline, "clip-path": `url(#wrong-${kind})` }));
    }
  }
  svg.append(shape("line", { class: "axis", x1: INSET, x2: width - INSET, y1: floor, y2: floor }));
  const step = width < 480 || max > 1 ? 0.2 : 0.1;
  for (let tick = 0; tick <= max + 1e-9; tick += step) {
    svg.append(shape("line", { class: "axis", x1: x(tick), x2: x(tick), y1: floor, y2: floor + 4 }));
    svg.append(words(x(tick), floor + 18, tick.toFixed(1), "tick", width));
  }
  svg.append(shape("line", { class: "threshold", x1: x(threshold), x2: x(threshold), y1: 20, y2: floor }));
  svg.append(words(x(threshold), 14, `threshold ${threshold.toFixed(3)}`, "threshold-words", width));
  if (distance !== null) {
    const [at, kind] = [x(distance), distance < threshold ? "same" : "different"];
    svg.append(shape("line", { class: `distance ${kind}`, x1: at, x2: at, y1: TOP + 4, y2: floor }));
    svg.append(shape("circle", { class: `distance ${kind}`, cx: at, cy: floor, r: 6 }));
    svg.append(words(at, TOP - 4, `distance ${distance.toFixed(3)}`, `distance-words ${kind}`, width));
  }
}

/** Return the outline of counts, its peak just below the words. */
function area(counts, step, x, floor, max) {
  const drawn = counts.slice(0, Math.floor(max / step)); // photos without a face count in the last entry
  const peak = Math.max(...drawn, 1);
  const y = (count) => floor - (count / peak) * (floor - TOP - 12);
  const points = drawn.map((count, i) => `${x((i + 0.5) * step).toFixed(1)} ${y(count).toFixed(1)}`);
  return `M${x(0)} ${floor}L${points.join("L")}L${x(max)} ${floor}Z`;
}

/** Return text centred at `at`, or as near as it stays in the picture. */
function words(at, y, content, kind, width) {
  const half = content.length * 3.9; // about as wide as it is
  const text = shape("text", { class: kind, x: Math.min(Math.max(at, half), width - half), y, "text-anchor": "middle" });
  text.textContent = content;
  return text;
}

function shape(name, attributes) {
  const made = document.createElementNS(SVG, name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  return made;
}
