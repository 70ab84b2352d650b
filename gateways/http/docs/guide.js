"use strict";
/* Where the reader is, shown in the list of contents. */
const links = new Map([...document.querySelectorAll(".contents a")].map((link) => [link.hash.slice(1), link]));
const headings = [...document.querySelectorAll("main h2[id], main h3[id]")];
const mark = () => {
  const passed = headings.filter((heading) => heading.getBoundingClientRect().top < 90);
  const here = (passed.at(-1) ?? headings[0])?.id;
  for (const [id, link] of links) id === here ? link.setAttribute("aria-current", "true") : link.removeAttribute("aria-current");
};
addEventListener("scroll", mark, { passive: true });
mark();
/* On a phone the bar is wider than the screen: show the page that is open. */
document.querySelector(".top [aria-current]").scrollIntoView({ inline: "center", block: "nearest" });
