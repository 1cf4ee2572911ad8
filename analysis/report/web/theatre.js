// Two views of one episode, with the same time, colours and highlighted unit.
const TYPE_COLOURS = ["#0173b2", "#d55e00", "#029e73", "#b8569f", "#8a6a00", "#56829e"];
const FRAMES_PER_SECOND = 4;

function setUpTheatre(data) {
  const { episodes } = data;
  find(episodes.length ? "#theatre-stage" : "#theatre-empty").hidden = false;
  if (!episodes.length) return;
  const keys = ["map", "arm", "seed", "step"];
  const selects = keys.map((key) => find(`#episode-${key}`));
  const [colourSelect, trailsBox, slider, play] = ["colour", "trails", "time", "play"].map((name) => find(`#episode-${name}`));
  const labels = [(name) => name, (arm) => data.arms[arm]?.label ?? arm, (seed) => seedLabel(seed), (step) => `${steps(step)} steps`];
  let episode, timer = null, focus = null;
  const setFocus = (unit) => { if (unit !== focus) { focus = unit; draw(); } };
  const views = [new RoleView(find("#role-view"), setFocus), new BattleView(find("#battle-view"), setFocus)];

  const matching = (count) =>
    episodes.filter((one) => keys.slice(0, count).every((key, at) => String(one[key]) === selects[at].value));
  const seedLabel = (seed) => `${seed}${matching(2).some((one) => one.seed === seed && one.shown) ? " (median)" : ""}`;

  // Each select lists the values that exist for the choices to its left.
  function choose(from = 0) {
    for (let at = from; at < keys.length; at++) {
      const under = matching(at);
      fillSelect(selects[at], unique(under.map((one) => one[keys[at]])), labels[at]);
      if (keys[at] === "seed" && from < at) selects[at].value = (under.find((one) => one.shown) ?? under[0]).seed;
      if (keys[at] === "step" && from < at) selects[at].value = Math.max(...under.map((one) => one.step));
    }
    [episode] = matching(keys.length);
    slider.max = episode.x.length;
    slider.value = 1;
    focus = null;
    pause();
    draw();
  }

  function draw() {
    const time = slider.value - 1;
    const scene = { episode, time, focus, trails: trailsBox.checked, colour: colouring(episode, time, colourSelect.value) };
    for (const view of views) view.show(scene);
    find("#episode-now").textContent = `t = ${time + 1} of ${episode.x.length}`;
    slider.setAttribute("aria-valuetext", find("#episode-now").textContent);
    const living = (from, to) => episode.health[time].slice(from, to).filter((value) => value > 0).length;
    const enemies = episode.types.length - episode.agents;
    find("#episode-facts").textContent =
      `${living(0, episode.agents)} of ${episode.agents} agents and ${living(episode.agents)} of ${enemies} enemies live; ` +
      `the episode was ${episode.won ? "won" : "not won"}. Rule of choice: ${episode.rule}.` +
      (focus === null ? "" : ` Selected: ${focus < episode.agents ? `agent ${focus}` : `enemy ${focus - episode.agents}`}, ${episode.types[focus]}.`);
    drawKey();
  }

  function drawKey() {
    const dot = (fill, label) => html("span", {}, svg("svg", { width: 12, height: 12, "aria-hidden": true }, svg("circle", { cx: 6, cy: 6, r: 6, fill })), label);
    const entries = colourSelect.value === "type"
      ? unique(episode.types.slice(0, episode.agents)).map((type, at) => dot(TYPE_COLOURS[at % TYPE_COLOURS.length], type))
      : [dot(heat(0), "no health"), dot(heat(0.5), "half"), dot(heat(1), "full health")];
    find("#role-key").replaceChildren(...entries, html("span", {}, "pale: dead"));
  }

  function pause() {
    clearInterval(timer);
    timer = null;
    play.textContent = "▶";
    play.setAttribute("aria-label", "Play");
  }

  play.addEventListener("click", () => {
    if (timer) return pause();
    if (slider.value === slider.max) slider.value = 1;
    play.textContent = "❚❚";
    play.setAttribute("aria-label", "Pause");
    timer = setInterval(() => {
      slider.stepUp();
      if (slider.value === slider.max) pause();
      draw();
    }, 1000 / FRAMES_PER_SECOND);
  });
  selects.forEach((select, at) => select.addEventListener("change", () => choose(at + 1)));
  slider.addEventListener("input", () => { pause(); draw(); });
  colourSelect.addEventListener("change", draw);
  trailsBox.addEventListener("change", draw);
  choose();
}

function colouring(episode, time, by) {
  if (by === "health") return (unit) => heat(episode.health[time][unit] / episode.max_health[unit]);
  const types = unique(episode.types.slice(0, episode.agents));
  return (unit) => TYPE_COLOURS[types.indexOf(episode.types[unit]) % TYPE_COLOURS.length];
}

// Red to sand to blue; the paper draws dead agents in red and the healthiest agent in blue.
function heat(share) {
  const stops = [[176, 32, 40], [205, 160, 70], [22, 96, 176]];
  const place = Math.min(Math.max(share, 0), 1) * 2;
  const [from, to] = [stops[Math.min(Math.floor(place), 1)], stops[Math.min(Math.floor(place), 1) + 1]];
  const part = place - Math.min(Math.floor(place), 1);
  return `rgb(${from.map((value, at) => Math.round(value + (to[at] - value) * part)).join(" ")})`;
}
