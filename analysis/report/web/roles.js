// Role means as points in a rotatable cube.
const TRAIL = 6; // decisions

class RoleView {
  constructor(element, onFocus) {
    Object.assign(this, { element, onFocus, yaw: 0.6, pitch: 0.35, zoom: 1, scene: null });
    let from = null;
    element.addEventListener("pointerdown", (event) => {
      element.setPointerCapture(event.pointerId);
      from = [event.clientX, event.clientY];
    });
    element.addEventListener("pointermove", (event) => {
      if (!from) return;
      this.turn((event.clientX - from[0]) * 0.01, (event.clientY - from[1]) * 0.01);
      from = [event.clientX, event.clientY];
    });
    for (const end of ["pointerup", "pointercancel"]) element.addEventListener(end, () => { from = null; });
    element.addEventListener("keydown", (event) => {
      const turns = { ArrowLeft: [-0.1, 0], ArrowRight: [0.1, 0], ArrowUp: [0, -0.1], ArrowDown: [0, 0.1] };
      const zooms = { "+": 1.1, "=": 1.1, "-": 1 / 1.1 };
      if (turns[event.key]) this.turn(...turns[event.key]);
      else if (zooms[event.key]) this.zoom = Math.min(Math.max(this.zoom * zooms[event.key], 0.5), 4);
      else return;
      event.preventDefault();
      this.draw();
    });
    onResize(element, () => this.draw());
  }

  turn(yaw, pitch) {
    this.yaw += yaw;
    this.pitch = Math.min(Math.max(this.pitch + pitch, -Math.PI / 2), Math.PI / 2);
    this.draw();
  }

  // The cube contains the roles of the whole episode; its three axes have the same scale.
  frame(episode) {
    const all = episode.roles.flat();
    const low = [0, 1, 2].map((axis) => Math.min(...all.map((role) => role[axis])));
    const high = [0, 1, 2].map((axis) => Math.max(...all.map((role) => role[axis])));
    this.centre = low.map((value, axis) => (value + high[axis]) / 2);
    this.reach = Math.max(...low.map((value, axis) => high[axis] - value), 1e-3) * 0.55;
  }

  show(scene) {
    if (scene.episode !== this.scene?.episode) this.frame(scene.episode);
    this.scene = scene;
    this.draw();
  }

  // Project a point of the cube [-1, 1]^3 to [x, y, depth] on the screen, in perspective.
  project([x, y, z]) {
    const { clientWidth: width, clientHeight: height } = this.element;
    const [sinYaw, cosYaw, sinPitch, cosPitch] = [Math.sin(this.yaw), Math.cos(this.yaw), Math.sin(this.pitch), Math.cos(this.pitch)];
    const across = x * cosYaw - y * sinYaw;
    const away = x * sinYaw + y * cosYaw;
    const up = z * cosPitch - away * sinPitch;
    const depth = away * cosPitch + z * sinPitch;
    const factor = (Math.min(width, height) * 0.23 * this.zoom * 6) / (6 + depth);
    return [width / 2 + across * factor, height / 2 - up * factor, depth];
  }

  draw() {
    const { clientWidth: width, clientHeight: height } = this.element;
    if (!this.scene || !width) return;
    const { episode, time, colour, focus, trails } = this.scene;
    const place = (role) => this.project(role.map((value, axis) => (value - this.centre[axis]) / this.reach));
    const layers = [this.cube()];
    const points = episode.roles[time].map((role, agent) => ({ agent, role, at: place(role) }));
    points.sort((a, b) => b.at[2] - a.at[2]);
    for (const { agent, role, at: [x, y] } of points) {
      const [floorX, floorY] = place([role[0], role[1], this.centre[2] - this.reach]);
      layers.push(svg("line", { class: "drop", x1: x, y1: y, x2: floorX, y2: floorY }));
      if (trails) {
        const past = episode.roles.slice(Math.max(0, time - TRAIL), time + 1).map((roles) => place(roles[agent]).slice(0, 2).join(","));
        layers.push(svg("polyline", { class: "trail", points: past.join(" "), stroke: colour(agent) }));
      }
    }
    for (const { agent, at: [x, y, depth] } of points) {
      const dead = episode.health[time][agent] <= 0;
      const state = `unit${dead ? " dead" : ""}${agent === focus ? " focused" : ""}`;
      const group = svg("g", { class: state, "data-unit": agent, transform: `translate(${x.toFixed(1)} ${y.toFixed(1)})` },
        svg("circle", { class: "body", r: 11 - 1.5 * depth, fill: colour(agent) }),
        svg("text", { class: "number" }, String(agent)));
      group.addEventListener("pointerenter", () => this.onFocus(agent));
      layers.push(group);
    }
    this.element.replaceChildren(svg("svg", { viewBox: `0 0 ${width} ${height}` }, ...layers));
  }

  cube() {
    const group = svg("g");
    const corners = [-1, 1];
    for (let axis = 0; axis < 3; axis++)
      for (const u of corners)
        for (const v of corners) {
          const ends = corners.map((end) => this.project([u, v].toSpliced(axis, 0, end)));
          const labelled = u === -1 && v === -1;
          group.append(svg("line", { class: labelled ? "frame axis" : "frame", x1: ends[0][0], y1: ends[0][1], x2: ends[1][0], y2: ends[1][1] }));
          if (labelled) {
            const [x, y] = this.project([-1, -1].toSpliced(axis, 0, 1.3));
            group.append(svg("text", { x, y, "text-anchor": "middle" }, `ρ${"₁₂₃"[axis]} ${(this.centre[axis] + this.reach).toFixed(2)}`));
          }
        }
    return group;
  }
}
