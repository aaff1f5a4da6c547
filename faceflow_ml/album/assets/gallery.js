"use strict";
(() => {
  const data = JSON.parse(document.getElementById("data").textContent);
  const { photos, people } = data;
  const byId = (id) => document.getElementById(id);
  const main = byId("main");
  const viewer = byId("viewer");
  const personOf = new Map(people.map((person, index) => [person.id, index]));

  /* ---- building blocks: text only ever becomes text ---- */

  function h(tag, attributes, ...children) {
    const element = document.createElement(tag);
    for (const [name, value] of Object.entries(attributes || {})) {
      if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
      else if (name.startsWith("--")) element.style.setProperty(name, value);
      else if (value !== null && value !== undefined) element.setAttribute(name, value);
    }
    element.append(...children.flat());
    return element;
  }

  function icon(path) {
    const space = "http://www.w3.org/2000/svg";
    const svg = document.createElementNS(space, "svg");
    svg.setAttribute("viewBox", "0 0 24 24");
    svg.setAttribute("aria-hidden", "true");
    svg.append(document.createElementNS(space, "path"));
    svg.firstChild.setAttribute("d", path);
    return svg;
  }

  const count = (n, one, many = `${one}s`) => `${n.toLocaleString("en")} ${n === 1 ? one : many}`;
  const nameOf = (person) => person.label || `Person ${person.id.replace(/^p0*(?=\d)/, "")}`;
  const crop = (face) => `crops/${face.id}.jpg`;
  const lazy = (src) => h("img", { src, alt: "", loading: "lazy", decoding: "async" });
  const size = (photo) => `${photo.w}\u00a0×\u00a0${photo.h}`;
  const fileName = (path) => path.slice(path.lastIndexOf("/") + 1);

  function faceName(face) {
    return face.person === null ? "No group" : nameOf(people[face.person]);
  }

  function boxOf(face, here) {
    const box = h("span", { class: here ? "box here" : "box" });
    ["left", "top", "width", "height"].forEach((side, i) => { box.style[side] = `${face.box[i]}%`; });
    return box;
  }

  /* ---- which photos belong where; exact copies stand behind the one that is kept ---- */

  const shown = photos.map((_, index) => index).filter((index) => !photos[index].copy);
  const photosOf = people.map(() => []);
  const loose = [];
  for (const index of shown) {
    for (const person of new Set(photos[index].faces.map((face) => face.person))) {
      if (person !== null) photosOf[person].push(index);
    }
    for (const face of photos[index].faces) {
      if (face.person === null) loose.push({ index, face });
    }
  }

  /* ---- views ---- */

  const head = (title, text) =>
    h("div", { class: "lead" }, h("h2", { tabindex: "-1" }, title), text ? h("p", { class: "muted" }, text) : []);

  const empty = (title, text) => h("div", { class: "empty" }, h("b", {}, title), text);

  function tile(index, list, { person = null, face = null, badge = null } = {}) {
    const photo = photos[index];
    const image = lazy(photo.src);
    const button = h("button", {
      type: "button", class: "tile", "data-photo": index,
      "aria-label": `${photo.path}, ${count(photo.faces.length, "face")}`,
      onclick: () => openViewer(list, list.indexOf(index), person, face),
    }, image, photo.faces.map((f) => boxOf(f, person !== null && f.person === person)), badge || []);
    image.addEventListener("error", () => button.classList.add("gone"));
    return button;
  }

  const ratio = (photo) => (photo.w / photo.h).toFixed(4);

  function grid(list, options) {
    return h("ul", { class: "photos", "data-grid": "", role: "list" },
      list.map((index) => h("li", { "--ratio": ratio(photos[index]) }, tile(index, list, options))));
  }

  function peopleView() {
    if (!people.length) {
      return [photos.length
        ? empty("No people yet", "No face was seen in two photos or more. Single faces are under “No group”.")
        : empty("No photos", "The folder holds no photos that can be read.")];
    }
    const cards = people.map((person, index) => h("li", {},
      h("a", { class: "card", href: `#person/${person.id}`, "data-person": person.id },
        lazy(person.cover), h("span", {}, nameOf(person)),
        h("small", {}, count(photosOf[index].length, "photo")))));
    const list = h("ul", { class: "cards", "data-grid": "", role: "list" }, cards);
    if (!people.some((person) => person.label)) return [h("h2", { class: "unseen", tabindex: "-1" }, "People"), list];
    const search = h("input", {
      type: "search", class: "search", placeholder: "Search people", "aria-label": "Search people",
      oninput: () => {
        const wanted = search.value.trim().toLowerCase();
        cards.forEach((card, i) => { card.hidden = !nameOf(people[i]).toLowerCase().includes(wanted); });
      },
    });
    return [h("h2", { class: "unseen", tabindex: "-1" }, "People"), search, list];
  }

  function personView(index) {
    const person = people[index];
    return [
      h("a", { class: "back", href: "#people" }, icon("M15 5l-7 7 7 7"), "People"),
      h("div", { class: "who" }, h("img", { src: person.cover, alt: "" }),
        h("div", {}, h("h2", { tabindex: "-1" }, nameOf(person)),
          h("p", { class: "muted" }, count(photosOf[index].length, "photo")))),
      grid(photosOf[index], { person: index }),
    ];
  }

  function photosView() {
    return [head("All photos", count(shown.length, "photo")), grid(shown)];
  }

  function looseView() {
    const list = [...new Set(loose.map((item) => item.index))];
    return [
      head("No group", "Faces that look like nobody else here, or are too small or blurred to tell."),
      h("ul", { class: "faces", "data-grid": "", role: "list" }, loose.map(({ index, face }) => h("li", {},
        h("button", {
          type: "button", "data-photo": index, "aria-label": `A face in ${photos[index].path}`,
          onclick: () => openViewer(list, list.indexOf(index), null, face),
        }, lazy(crop(face)))))),
    ];
  }

  function duplicatesView() {
    const kinds = { exact: ["Same file", "Copy"], near: ["Nearly the same picture", "Similar"] };
    return [
      head("Duplicates", "The photo to keep comes first: the largest, then the one with most faces. Nothing was deleted."),
      h("div", { class: "rows" }, data.duplicates.map((group) => {
        const list = [group.keep, ...group.drop];
        const [title, mark] = kinds[group.kind];
        return h("section", { class: "row" }, h("h3", {}, `${title} · ${list.length} photos`),
          h("ul", { class: "photos", "data-grid": "", role: "list" }, list.map((index, i) => {
            const badge = h("span", { class: i ? "badge" : "badge keep" }, i ? mark : "Keep");
            return h("li", { "--ratio": ratio(photos[index]) }, h("figure", {}, tile(index, list, { badge }),
              h("figcaption", {}, `${photos[index].path} · ${size(photos[index])}`)));
          })));
      })),
    ];
  }

  function problemsView() {
    return [
      head("Unreadable", "These files were left out. Everything else was processed."),
      h("ul", { class: "list", role: "list" }, data.problems.map((problem) =>
        h("li", {}, h("b", {}, problem.path), h("span", { class: "muted" }, problem.reason)))),
    ];
  }

  const views = [
    { id: "people", title: "People", count: people.length, view: peopleView },
    { id: "photos", title: "Photos", count: shown.length, view: photosView },
    { id: "unknown", title: "No group", count: loose.length, view: looseView },
    { id: "duplicates", title: "Duplicates", count: data.duplicates.length, view: duplicatesView },
    { id: "problems", title: "Unreadable", count: data.problems.length, view: problemsView },
  ].filter((view) => view.count || view.id === "people");

  /* ---- routing by the fragment, so that Back works from disk too ---- */

  let lastPerson = null;

  function render(moved) {
    const [route, id] = decodeURIComponent(location.hash.slice(1)).split("/");
    const person = route === "person" ? personOf.get(id) : undefined;
    const view = views.find((candidate) => candidate.id === route) || views[0];
    main.replaceChildren(...(person === undefined ? view.view() : personView(person)));
    byId("views").replaceChildren(...views.map((item) => h("a", {
      href: `#${item.id}`, "aria-current": item === view ? "page" : null,
    }, item.title, h("span", { class: "count" }, item.count.toLocaleString("en")))));
    document.title = person === undefined ? data.title : `${nameOf(people[person])} · ${data.title}`;
    if (moved) {
      const origin = view.id === "people" && person === undefined && lastPerson
        ? main.querySelector(`[data-person="${lastPerson}"]`) : null;
      if (!origin) window.scrollTo(0, 0);
      (origin || main.querySelector("h2") || main).focus();
    }
    lastPerson = person === undefined ? null : id;
  }

  /* ---- one photo, large ---- */

  let open = { list: [], at: 0, person: null, face: null };

  function openViewer(list, at, person, face) {
    open = { list, at, person, face };
    history.pushState({ viewer: true }, "");
    viewer.showModal();
    showPhoto();
  }

  function showPhoto() {
    const index = open.list[open.at];
    const photo = photos[index];
    const image = h("img", { src: photo.full || photo.src, alt: photo.path });
    const frame = h("div", { class: "frame", "--ratio": ratio(photo), "--width": `${photo.w}px` }, image,
      photo.faces.map((face) => {
        const here = open.face ? face.id === open.face.id : open.person !== null && face.person === open.person;
        const box = boxOf(face, here);
        box.append(h("span", {}, faceName(face)));
        return box;
      }));
    image.addEventListener("error", () => {
      if (photo.full && photo.src !== photo.full) { photo.full = null; image.src = photo.src; }
    });
    image.addEventListener("load", () => {
      // Boxes are drawn only over the picture they were measured on.
      const off = Math.abs(Math.log(image.naturalWidth / image.naturalHeight / (photo.w / photo.h)));
      if (off > 0.05) frame.classList.add("plain");
    });
    frame.classList.toggle("plain", byId("faces").getAttribute("aria-pressed") === "false");
    byId("stage").replaceChildren(frame);
    byId("position").textContent = open.list.length > 1 ? `${open.at + 1} of ${open.list.length}` : "";
    byId("previous").hidden = open.at === 0;
    byId("next").hidden = open.at === open.list.length - 1;
    byId("name").textContent = fileName(photo.path);
    byId("details").textContent = [
      size(photo), count(photo.faces.length, "face"),
      ...(photo.copies ? [`${count(photo.copies, "more copy", "more copies")} of this file`] : []),
    ].join(" · ");
    byId("original").href = photo.original;
    byId("faces").hidden = !photo.faces.length;
    byId("people").replaceChildren(...photo.faces.map((face) => {
      const inside = [h("img", { src: crop(face), alt: "" }), faceName(face)];
      if (face.person === null) return h("li", {}, h("span", {}, ...inside));
      return h("li", {}, h("a", { href: `#person/${people[face.person].id}`, onclick: follow }, ...inside));
    }));
  }

  function step(by) {
    const at = open.at + by;
    if (at < 0 || at >= open.list.length) return;
    open = { ...open, at, face: null };
    showPhoto();
  }

  function follow(event) {
    event.preventDefault();
    const target = event.currentTarget.getAttribute("href");
    viewer.close();
    if (location.hash === target) history.back();
    else location.replace(target);
  }

  function closeViewer() {
    if (!viewer.open) return;
    const index = open.list[open.at];
    viewer.close();
    const tileNow = main.querySelector(`[data-photo="${index}"]`);
    if (open.face === null && tileNow) tileNow.focus();
    if (history.state && history.state.viewer) history.back();
  }

  byId("close").addEventListener("click", closeViewer);
  byId("previous").addEventListener("click", () => step(-1));
  byId("next").addEventListener("click", () => step(1));
  byId("faces").addEventListener("click", () => {
    const button = byId("faces");
    const on = button.getAttribute("aria-pressed") === "false";
    button.setAttribute("aria-pressed", String(on));
    byId("stage").firstChild.classList.toggle("plain", !on);
  });
  viewer.addEventListener("cancel", (event) => { event.preventDefault(); closeViewer(); });
  viewer.addEventListener("click", (event) => { if (event.target === byId("stage")) closeViewer(); });
  viewer.addEventListener("keydown", (event) => {
    const by = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
    if (by) { event.preventDefault(); step(by); }
  });

  let touch = null;
  byId("stage").addEventListener("touchstart", (event) => {
    touch = event.touches.length === 1 ? event.touches[0] : null;
  }, { passive: true });
  byId("stage").addEventListener("touchend", (event) => {
    const dx = touch ? event.changedTouches[0].clientX - touch.clientX : 0;
    if (Math.abs(dx) > 60) step(dx < 0 ? 1 : -1);
    touch = null;
  }, { passive: true });

  /* ---- arrow keys walk any grid; Escape goes back to the people ---- */

  function neighbour(items, current, key) {
    const from = current.getBoundingClientRect();
    const centre = from.left + from.width / 2;
    const down = key === "ArrowDown";
    let best = null;
    for (const item of items) {
      const to = item.getBoundingClientRect();
      const dy = down ? to.top - from.top : from.top - to.top;
      if (dy < from.height / 2) continue;
      const distance = dy * 1000 + Math.abs(to.left + to.width / 2 - centre);
      if (!best || distance < best.distance) best = { item, distance };
    }
    return best && best.item;
  }

  main.addEventListener("keydown", (event) => {
    const list = event.target.closest("[data-grid]");
    if (!list || event.altKey || event.ctrlKey || event.metaKey) return;
    const items = [...list.querySelectorAll("a, button")].filter((item) => !item.closest("[hidden]"));
    const at = items.indexOf(event.target);
    const target = {
      ArrowLeft: () => items[at - 1], ArrowRight: () => items[at + 1],
      ArrowUp: () => neighbour(items, event.target, event.key),
      ArrowDown: () => neighbour(items, event.target, event.key),
      Home: () => items[0], End: () => items[items.length - 1],
    }[event.key];
    if (!target || at < 0) return;
    event.preventDefault();
    const next = target();
    if (next) next.focus();
  });

  document.addEventListener("keydown", (event) => {
    if (event.key === "Escape" && !viewer.open && location.hash.startsWith("#person/")) location.hash = "#people";
  });

  document.querySelector(".skip").addEventListener("click", (event) => {
    event.preventDefault();
    main.focus();
  });

  window.addEventListener("popstate", () => { if (viewer.open) viewer.close(); });
  window.addEventListener("hashchange", () => render(true));

  byId("album").textContent = data.title;
  byId("summary").textContent = [
    count(shown.length, "photo"), count(people.length, "person", "people"),
  ].join(" · ");
  render(false);
})();
