// Keys of the rollouts: `/` searches from anywhere, `j` and `k` walk, arrows do where the list has the focus.
function startKeys(rollouts) {
  if (!rollouts) return;
  const search = byId("search");
  const isTyping = (node) => ["INPUT", "SELECT", "TEXTAREA"].includes(node.tagName);
  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    if (event.key === "Escape" && event.target === search) {
      search.value = "";
      search.dispatchEvent(new Event("input", { bubbles: true }));
      byId("groups").focus();
      return;
    }
    if (isTyping(event.target)) return;
    const isInList = event.target.closest?.("#groups, #group");
    const walk = { j: 1, k: -1, ...(isInList ? { ArrowDown: 1, ArrowUp: -1 } : {}) }[event.key];
    const other = isInList ? { ArrowRight: 1, ArrowLeft: -1 }[event.key] : undefined;
    if (event.key === "/") {
      event.preventDefault();
      byId("rollouts").scrollIntoView();
      search.focus();
      search.select();
    } else if (walk !== undefined) {
      event.preventDefault();
      if (!isInList) {
        byId("groups").focus({ preventScroll: true });
        byId("groups").scrollIntoView({ block: "nearest" });
      }
      rollouts.step(walk);
    } else if (other !== undefined) {
      event.preventDefault();
      rollouts.other(other);
    }
  });
}
