// Runs before the client. See `devtools::ORDEAL`.
(() => {
    let offset = 0, wall = 0, hidden = false;
    const { now } = Performance.prototype, date = Date.now;
    Performance.prototype.now = function () { return now.call(this) + offset; };
    Date.now = () => date() + offset + wall;

    Object.defineProperty(Document.prototype, "hidden", { get: () => hidden });
    Object.defineProperty(Document.prototype, "visibilityState", { get: () => (hidden ? "hidden" : "visible") });

    const { put, add } = IDBObjectStore.prototype;
    const writing = (write) => function (...row) {
        const request = write.apply(this, row);
        if (ordeal.full) {
            // The browser takes the row and then ends the transaction.
            const { transaction } = this;
            const error = new DOMException("The storage is full.", "QuotaExceededError");
            Object.defineProperty(transaction, "error", { get: () => error });
            request.addEventListener("success", () => transaction.abort());
        }
        return request;
    };
    IDBObjectStore.prototype.put = writing(put);
    IDBObjectStore.prototype.add = writing(add);

    // Registered before anybody else can, so it hears every frame first.
    window.WebSocket = class extends WebSocket {
        constructor(...address) {
            super(...address);
            this.addEventListener("message", (event) => {
                if (ordeal.drop > 0 && /"type":"events"/.test(event.data)) {
                    ordeal.drop -= 1;
                    event.stopImmediatePropagation();
                }
            });
        }
    };

    const ticks = [];
    const look = () => {
        const tick = document.querySelector("[data-testid=gate-ticks]")?.dataset.tick;
        if (tick && ticks.at(-1) !== tick) ticks.push(tick);
    };
    new MutationObserver(look).observe(document, {
        subtree: true, childList: true, attributes: true, attributeFilter: ["data-tick"],
    });

    window.ordeal = {
        full: false, drop: 0, ticks,
        jump(ms) { offset += ms; },
        setWall(ms) { wall += ms; },
        hide(yes) {
            hidden = yes;
            document.dispatchEvent(new Event("visibilitychange", { bubbles: true }));
        },
    };
})();
