// Pictures and choices of the answers that flipped, then everything that is drawn.
const NUM_FLIPS = 6;

function startFlips() {
  for (const node of document.querySelectorAll(".picture[data-digest]")) node.replaceChildren(picture(node.dataset.digest, node.dataset.alt));
  for (const panel of document.querySelectorAll("[data-flips]")) {
    const buttons = [...panel.querySelectorAll("[data-way][aria-pressed]")];
    const items = [...panel.querySelectorAll("li[data-way]")];
    const more = panel.querySelector("[data-more-flips]");
    const state = { way: "all", isOpen: false };
    const refresh = () => {
      const own = items.filter((item) => state.way === "all" || item.dataset.way === state.way);
      for (const item of items) item.hidden = true;
      for (const item of state.isOpen ? own : own.slice(0, NUM_FLIPS)) item.hidden = false;
      if (more) more.hidden = state.isOpen || own.length <= NUM_FLIPS;
      if (more) more.textContent = `Show ${own.length - NUM_FLIPS} more`;
      for (const button of buttons) button.setAttribute("aria-pressed", `${button.dataset.way === state.way}`);
    };
    for (const button of buttons) button.addEventListener("click", () => Object.assign(state, { way: button.dataset.way }) && refresh());
    more?.addEventListener("click", () => Object.assign(state, { isOpen: true }) && refresh());
    refresh();
  }
}

function startSigns() {
  for (const button of document.querySelectorAll("[data-step]")) {
    button.addEventListener("click", () => showRolloutsOf(Number(button.dataset.step), button.dataset.run, button.dataset.question));
  }
}

const DRAWINGS = { accuracies: startAccuracies, benchmarks: startBenchmarks, sizes: startSizes, "picture-use": startPictureUse, lineage: startLineage };

startTheme();
startFlips();
startSigns();
for (const node of document.querySelectorAll("[data-draw]")) DRAWINGS[node.dataset.draw](node);
if (report.charts.length) startCharts();
startAllRewards();
startKeys(startRollouts());
if (!drawers.size) document.documentElement.dataset.ready = "yes";
