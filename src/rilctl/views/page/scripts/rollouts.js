// The browser of rollouts: filters, histogram, list and the chosen group, kept together.
function startRollouts() {
  if (!report.rollouts) return null;
  const entries = indexed(report.rollouts.groups);
  const rewards = entries.flatMap(({ group }) => group.rows.map((row) => row.reward)).filter((reward) => reward !== null);
  const bins = binsOf(rewards);
  const [list, detail] = [byId("groups"), byId("group")];
  const state = { shown: [], at: -1, range: null };
  fillSelects(report.rollouts.groups);
  for (const node of document.querySelectorAll("[data-sides]")) {
    node.replaceChildren(...["student", "teacher"].map((side, index) => el("span", { class: "entry" }, block(index, false, side), `${side} rows`)));
  }

  const show = (index) => {
    state.at = Math.max(-1, Math.min(index, state.shown.length - 1));
    for (const item of list.querySelectorAll("[aria-selected=true]")) item.setAttribute("aria-selected", "false");
    const current = state.shown[state.at];
    if (!current) {
      list.removeAttribute("aria-activedescendant");
      detail.replaceChildren(el("p", { class: "empty" }, entries.length ? "No row is like that: clear a filter." : "No rollouts are here."));
      return;
    }
    const item = byId(`g${current.entry.index}`);
    if (item) {
      item.setAttribute("aria-selected", "true");
      list.setAttribute("aria-activedescendant", item.id);
      keepInView(list, item);
    }
    const siblings = entries.filter(({ group }) => group.sample_id === current.entry.group.sample_id);
    showGroup(detail, current, asked(null).words, siblings, go);
  };
  // To a group, though the filters hide it: then they are cleared.
  const go = (entry) => {
    const find = () => state.shown.findIndex((one) => one.entry === entry);
    if (find() < 0) {
      byId("filters").reset();
      state.range = null;
      refresh();
    }
    show(find());
  };
  const refresh = () => {
    const chosen = state.shown[state.at]?.entry;
    const wanted = asked(state.range && bins.slice(state.range[0], state.range[1] + 1));
    const matched = entries.map((entry) => ({ entry, rows: matching(entry, wanted) })).filter(({ rows }) => rows.length);
    state.shown = matched.sort((a, b) => SORTS[byId("sort").value](a.entry, b.entry) || a.entry.index - b.entry.index);
    listGroups(list, state.shown, show);
    const rows = d3.sum(state.shown, (one) => one.rows.length);
    byId("shown").textContent = `${many(state.shown.length, "group")}, ${many(rows, "row")}`;
    show(Math.max(0, state.shown.findIndex((one) => one.entry === chosen)));
    paint(asked(null));
  };
  let width = 0;
  const paint = (wanted) => {
    const counts = bins.map(() => [0, 0]);
    for (const entry of entries) {
      for (const index of matching(entry, wanted)) {
        const row = entry.group.rows[index];
        const bin = bins.findIndex((one) => isIn(one, row.reward));
        if (bin >= 0) counts[bin][row.side === "teacher" ? 1 : 0] += 1;
      }
    }
    const choose = (range) => {
      state.range = range;
      refresh();
    };
    if (width) byId("histogram").replaceChildren(drawHistogram(bins, counts, width, { label: "Histogram of rewards", chosen: () => state.range, choose }));
  };
  whenSized(byId("histogram"), (newWidth) => {
    width = newWidth;
    paint(asked(null));
    return byId("histogram").firstChild ?? "";
  });
  const form = byId("filters");
  form.addEventListener("input", refresh);
  form.addEventListener("submit", (event) => event.preventDefault());
  form.addEventListener("reset", () => {
    state.range = null;
    setTimeout(refresh); // the form is empty after this event
  });
  refresh();
  return { step: (by) => show(Math.max(0, state.at + by)), other: (by) => otherStep(entries, state, by, go), show };
}

// From a chart to what was said then: the nearest step that has rollouts here.
function showRolloutsOf(step, run = "", question = "") {
  const groups = (report.rollouts?.groups ?? []).filter((group) => !run || group.run === run);
  if (!groups.length) return;
  const steps = [...new Set(groups.map((group) => group.step))].sort((a, b) => a - b);
  byId("filters").reset();
  byId("by-run").value = run;
  byId("by-question").value = question;
  byId("by-step").value = `${nearest(steps, step)}`;
  byId("filters").dispatchEvent(new Event("input"));
  byId("rollouts").scrollIntoView();
  byId("groups").focus({ preventScroll: true });
}

function otherStep(entries, state, by, go) {
  const current = state.shown[state.at]?.entry;
  if (!current) return;
  const siblings = entries.filter(({ group }) => group.sample_id === current.group.sample_id);
  const next = siblings[siblings.indexOf(current) + by];
  if (next) go(next);
}

// Scrolls the list alone, never the page.
function keepInView(list, item) {
  const top = item.offsetTop - list.offsetTop;
  if (top < list.scrollTop) list.scrollTop = top;
  else if (top + item.offsetHeight > list.scrollTop + list.clientHeight) list.scrollTop = top + item.offsetHeight - list.clientHeight;
}

// Rewards of all rows, shown here or not.
function startAllRewards() {
  const bars = report.rollouts?.histogram ?? [];
  if (!bars.length) return;
  const starts = [...new Set(bars.map((bar) => bar.reward))].sort((a, b) => a - b);
  const bins = starts.map((start) => ({ low: start, name: figure(start) }));
  const sum = (start, side) => d3.sum(bars.filter((bar) => bar.reward === start && bar.side === side), (bar) => bar.num_rows);
  const counts = starts.map((start) => [sum(start, "student"), sum(start, "teacher")]);
  byId("all-rewards").hidden = false;
  whenSized(byId("all-rewards").querySelector(".drawing"), (width) => drawHistogram(bins, counts, width, { label: "Histogram of the rewards of all rows" }));
}
