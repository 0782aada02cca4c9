"use strict";
/* Everything stands in the page without this: it sorts and filters tables, lays layers over
   pictures, and turns slices. */

/* Tables whose heads sort by their column. */
for (const table of document.querySelectorAll("table.sort")) {
  const body = table.tBodies[0];
  const key = (row, i) => row.cells[i].dataset.v ?? row.cells[i].textContent.trim();
  [...table.tHead.rows[0].cells].forEach((head, i) => {
    const button = document.createElement("button");
    button.type = "button";
    button.append(...head.childNodes);
    head.append(button);
    button.addEventListener("click", () => {
      const up = head.getAttribute("aria-sort") !== "ascending";
      const numbers = head.classList.contains("n");
      for (const other of table.tHead.rows[0].cells) other.removeAttribute("aria-sort");
      head.setAttribute("aria-sort", up ? "ascending" : "descending");
      const rows = [...body.rows].map((row) => [key(row, i), row]);
      rows.sort(([a], [b]) => {
        if (a === "" || b === "") return (a === "") - (b === ""); /* what is not there, last */
        const order = numbers ? a - b : a < b ? -1 : a > b ? 1 : 0;
        return up ? order : -order;
      });
      body.append(...rows.map(([, row]) => row));
    });
  });
}

/* Fields that leave the rows which hold their text. */
for (const field of document.querySelectorAll("input[data-filter]")) {
  const rows = [...document.getElementById(field.dataset.filter).tBodies[0].rows];
  const count = document.querySelector(`output[data-count="${field.dataset.filter}"]`);
  const texts = rows.map((row) => row.textContent.toLowerCase());
  const filter = () => {
    const wanted = field.value.trim().toLowerCase();
    let shown = 0;
    rows.forEach((row, i) => {
      row.hidden = !texts[i].includes(wanted);
      shown += !row.hidden;
    });
    count.textContent = `${shown} of ${rows.length} scans`;
  };
  field.addEventListener("input", filter);
  filter();
}

/* What lies over the pictures of findings. */
for (const box of document.querySelectorAll("input[data-layer]")) {
  const layer = box.dataset.layer;
  const lay = () => {
    const there = layer === "heat" || layer === "truth";
    document.body.classList.toggle(there ? `show-${layer}` : `hide-${layer}`, box.checked === there);
  };
  box.addEventListener("change", lay);
  lay();
}

/* A scan to look through. */
for (const scroller of document.querySelectorAll(".scroller")) {
  const slices = [...scroller.querySelectorAll(".slices li")];
  const marks = [...scroller.querySelectorAll(".marks li")];
  const image = scroller.querySelector("img");
  const overlay = scroller.querySelector(".overlay");
  const range = scroller.querySelector("input[type=range]");
  const number = scroller.querySelector("output");
  const step = Number(scroller.dataset.step);
  const show = () => {
    const slice = slices[range.value];
    const z = Number(slice.dataset.slice);
    image.src = "data:image/png;base64," + slice.dataset.png;
    number.textContent = z + 1;
    range.setAttribute("aria-valuetext", `slice ${z + 1}`);
    const height = overlay.viewBox.baseVal.height;
    overlay.replaceChildren(
      ...marks
        .filter((mark) => Math.abs(mark.dataset.slice - z) <= Math.max(mark.dataset.reach, step / 2))
        .map((mark) => {
          const ring = document.createElementNS("http://www.w3.org/2000/svg", "circle");
          ring.setAttribute("class", mark.className);
          ring.setAttribute("cx", 1000 * mark.dataset.x);
          ring.setAttribute("cy", height * mark.dataset.y);
          ring.setAttribute("r", 1000 * mark.dataset.r + 8);
          return ring;
        })
    );
  };
  const go = (to) => {
    range.value = Math.min(Math.max(to, 0), slices.length - 1);
    show();
  };
  range.addEventListener("input", show);
  scroller.querySelector(".screen").addEventListener("wheel", (event) => {
    event.preventDefault();
    go(Number(range.value) + Math.sign(event.deltaY));
  }, { passive: false });
  for (const mark of marks)
    mark.querySelector("button").addEventListener("click", () => go(Math.round(mark.dataset.slice / step)));
  const first = scroller.querySelector("li.found") ?? marks[0];
  go(first ? Math.round(first.dataset.slice / step) : slices.length / 2);
}
