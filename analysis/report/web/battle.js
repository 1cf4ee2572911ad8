// Battlefield at one decision, in map units; y points up.
class BattleView {
  constructor(element, onFocus) {
    Object.assign(this, { element, onFocus, scene: null });
    onResize(element, () => this.draw());
  }

  // The view contains all positions of the whole episode.
  frame(episode) {
    const [xs, ys] = [episode.x.flat(), episode.y.flat()];
    const [left, right, bottom, top] = [Math.min(...xs), Math.max(...xs), Math.min(...ys), Math.max(...ys)];
    this.extent = [right - left + 3, top - bottom + 3];
    this.centre = [(left + right) / 2, (bottom + top) / 2];
  }

  show(scene) {
    if (scene.episode !== this.scene?.episode) this.frame(scene.episode);
    this.scene = scene;
    this.draw();
  }

  draw() {
    const { clientWidth: width, clientHeight: height } = this.element;
    if (!this.scene || !width) return;
    const { episode, time, colour, focus } = this.scene;
    const scale = Math.min(width / this.extent[0], height / this.extent[1]);
    const at = (unit) => [
      width / 2 + (episode.x[time][unit] - this.centre[0]) * scale,
      height / 2 - (episode.y[time][unit] - this.centre[1]) * scale,
    ];
    const alive = (unit) => episode.health[time][unit] > 0;
    const units = episode.types.map((_, unit) => unit);
    const layers = [this.grid(width, height, scale)];
    for (const unit of units.filter(alive)) {
      const target = episode.target[time][unit];
      if (target < 0) continue;
      const friendly = (unit < episode.agents) === (target < episode.agents);
      const [[x1, y1], [x2, y2]] = [at(unit), at(target)];
      layers.push(svg("line", { class: friendly ? "attack heal" : "attack", x1, y1, x2, y2 }));
    }
    const radius = Math.min(11, Math.max(6, scale * 0.55));
    for (const unit of units.sort((a, b) => alive(a) - alive(b))) layers.push(this.unit(unit, at(unit), radius, alive(unit), colour, focus));
    this.element.replaceChildren(svg("svg", { viewBox: `0 0 ${width} ${height}` }, ...layers));
  }

  unit(unit, [x, y], radius, alive, colour, focus) {
    const { episode, time } = this.scene;
    const agent = unit < episode.agents;
    const state = ["unit", agent ? "agent" : "enemy", alive ? "" : "dead", unit === focus ? "focused" : ""].join(" ").trim();
    const group = svg("g", { class: state, "data-unit": unit, transform: `translate(${x.toFixed(1)} ${y.toFixed(1)})` });
    const name = `${agent ? "agent" : "enemy"} ${agent ? unit : unit - episode.agents}, ${episode.types[unit]}`;
    group.append(svg("title", {}, `${name}, health ${episode.health[time][unit]} of ${episode.max_health[unit]}`));
    if (agent) group.append(svg("circle", { class: "body", r: radius, fill: colour(unit) }), svg("text", { class: "number" }, String(unit)));
    else group.append(svg("rect", { class: "body", x: -radius * 0.7, y: -radius * 0.7, width: radius * 1.4, height: radius * 1.4, transform: "rotate(45)" }));
    if (alive) group.append(ring("health", radius + 3, episode.health[time][unit] / episode.max_health[unit]));
    if (alive && episode.max_shield[unit]) group.append(ring("shield", radius + 6, episode.shield[time][unit] / episode.max_shield[unit]));
    group.addEventListener("pointerenter", () => this.onFocus(unit));
    return group;
  }

  // A line every four map units.
  grid(width, height, scale) {
    const group = svg("g", { opacity: 0.5 });
    for (let x = (width / 2) % (4 * scale); x < width; x += 4 * scale)
      group.append(svg("line", { class: "gridline", x1: x, x2: x, y1: 0, y2: height }));
    for (let y = (height / 2) % (4 * scale); y < height; y += 4 * scale)
      group.append(svg("line", { class: "gridline", x1: 0, x2: width, y1: y, y2: y }));
    return group;
  }
}

// Arc from the top, a share of a full circle.
function ring(kind, r, share) {
  const around = 2 * Math.PI * r;
  return svg("circle", { class: kind, r, "stroke-dasharray": `${around * share} ${around}`, transform: "rotate(-90)" });
}
