// @ts-check
// live-pulse.js: a worker that only counts. Browsers slow down the timers of a page in the background; an agent
// who waits in another tab for the next handoff is there all the same.
setInterval(() => postMessage("beat"), 4000);
