// One step for all charts: whoever moves it, every chart shows its values there.
const cursor = { step: null, followers: [] };

function moveCursor(step) {
  if (step === cursor.step) return;
  cursor.step = step;
  byId("cursor-step").textContent = step === null ? "At the last step of each curve." : `At step ${step.toLocaleString("en")}.`;
  for (const follow of cursor.followers) follow(step);
}

// The point of a curve at a step, or the nearest before it; none before the first.
const bisectStep = d3.bisector((point) => point[0]).right;
function pointAt(points, step) {
  if (step === null) return points[points.length - 1];
  return points[bisectStep(points, step) - 1];
}

function nearest(steps, step) {
  const index = d3.bisectCenter(steps, step);
  return steps[Math.max(0, Math.min(index, steps.length - 1))];
}

// Pointer and keys of one drawing; `x` turns steps into pixels.
function followPointer(drawing, x, steps, tell) {
  const stepOf = (event) => {
    const box = drawing.getBoundingClientRect();
    const scale = drawing.viewBox.baseVal.width / box.width;
    return nearest(steps, x.invert((event.clientX - box.left) * scale));
  };
  drawing.addEventListener("pointermove", (event) => {
    moveCursor(stepOf(event));
    tell(event);
  });
  drawing.addEventListener("pointerleave", () => {
    moveCursor(null);
    tell(null);
  });
  drawing.addEventListener("keydown", (event) => {
    const by = { ArrowLeft: -1, ArrowRight: 1, PageUp: -10, PageDown: 10 }[event.key];
    const to = { Home: 0, End: steps.length - 1 }[event.key];
    if (event.key === "Enter" && cursor.step !== null) showRolloutsOf(cursor.step);
    if (by === undefined && to === undefined) return;
    event.preventDefault();
    const now = cursor.step === null ? steps.length : d3.bisectCenter(steps, cursor.step);
    moveCursor(steps[to ?? Math.max(0, Math.min(now + by, steps.length - 1))]);
    say(tell(null, true));
  });
  drawing.addEventListener("dblclick", (event) => showRolloutsOf(stepOf(event)));
  drawing.addEventListener("blur", () => moveCursor(null));
}
