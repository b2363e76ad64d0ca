// Looks at a page from inside, before anything of it runs; the same for the floor and for the client.
(() => {
    const probe = {
        longTasks: [], events: [], frames: [], memories: new Set(),
        socketFrames: 0, requestAt: null, shown: null, clickAt: null, posted: null,
    };
    window.probe = probe;

    new PerformanceObserver((list) => {
        for (const { startTime, duration } of list.getEntries()) probe.longTasks.push([startTime, duration]);
    }).observe({ type: "longtask", buffered: true });
    new PerformanceObserver((list) => {
        for (const { name, startTime, duration } of list.getEntries()) probe.events.push([name, startTime, duration]);
    }).observe({ type: "event", durationThreshold: 16, buffered: true });

    // Every memory of every module, whoever made it.
    for (const name of ["instantiate", "instantiateStreaming"]) {
        const real = WebAssembly[name];
        WebAssembly[name] = async (...args) => {
            const made = await real.apply(WebAssembly, args);
            for (const value of Object.values((made.instance ?? made).exports)) {
                if (value instanceof WebAssembly.Memory) probe.memories.add(value);
            }
            return made;
        };
    }
    probe.wasmBytes = () => [...probe.memories].reduce((sum, memory) => sum + memory.buffer.byteLength, 0);

    // Clocks that can be moved on: an hour of streaming takes less than an hour.
    let offset = 0;
    const { now } = Performance.prototype, date = Date.now;
    Performance.prototype.now = function () { return now.call(this) + offset; };
    Date.now = () => date() + offset;
    probe.jump = (ms) => { offset += ms; };
    const clock = () => now.call(performance);

    // When each frame began. `watch` is on only where frames are counted: a loop of frames is work as well.
    let watching = false;
    const tick = (began) => {
        probe.frames.push(began);
        if (watching) requestAnimationFrame(tick);
    };
    probe.watch = (on) => {
        probe.frames = [];
        if (on && !watching) requestAnimationFrame(tick);
        watching = on;
    };
    probe.framesWithin = (from, to) => probe.frames.filter((began) => began > from && began <= to).length;

    // Goes up as a held key does, until `done` or for so many frames; says which. A page that stands still at its top
    // for three seconds is moved down a little, as people do, and that is counted.
    probe.stood = 0;
    probe.climb = (log, px, frames, done) => new Promise((resolve) => {
        let still = 0;
        const step = () => {
            if (done()) return resolve(true);
            if (frames-- === 0) return resolve(false);
            still = log.scrollTop === 0 ? still + 1 : 0;
            log.scrollTop -= px;
            if (still === 180) {
                probe.stood += 1;
                still = 0;
                log.scrollTop = 40;
            }
            requestAnimationFrame(step);
        };
        step();
    });

    // The moment the bytes of a request are here, heard before the page hears it.
    window.WebSocket = class extends WebSocket {
        constructor(...address) {
            super(...address);
            this.addEventListener("message", ({ data }) => {
                probe.socketFrames += 1;
                if (data.startsWith('{"type":"permission"') && data.includes('"state":"pending"')) {
                    probe.requestAt = clock();
                }
            });
        }
    };

    // The frame that paints `selector` with `text` in it: a resize observer speaks between layout and paint.
    probe.expect = (selector, text) => {
        probe.shown = null;
        const look = () => {
            const found = [...document.querySelectorAll(selector)].find((one) => one.textContent.includes(text));
            if (!found) return false;
            new ResizeObserver((_, self) => {
                self.disconnect();
                const opaque = found.checkVisibility({ opacityProperty: true, visibilityProperty: true });
                probe.shown = { at: clock(), frame: document.timeline.currentTime, opaque };
            }).observe(found);
            return true;
        };
        if (look()) return;
        const observer = new MutationObserver(() => {
            if (look()) observer.disconnect();
        });
        observer.observe(document, { subtree: true, childList: true, characterData: true });
    };

    // The click, and the decision on its way: when the page hands it over, and when the browser begins to send it.
    addEventListener("click", (event) => { probe.clickAt = event.timeStamp; }, true);
    const { fetch } = window;
    window.fetch = (input, init) => {
        const request = new Request(input, init);
        if (request.method !== "POST" || !request.url.endsWith("/events")) return fetch(request);
        const body = request.clone().text(), handed = clock();
        body.then((text) => {
            if (text.includes('"control_response"')) probe.posted = { handed, url: request.url };
        });
        return fetch(request);
    };
    probe.sent = () => {
        const { handed, url } = probe.posted;
        const entry = performance.getEntriesByName(url).find(({ startTime }) => startTime >= handed - 5);
        return entry && entry.requestStart > 0 ? entry.requestStart : null;
    };
})();
