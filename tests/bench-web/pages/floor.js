// The floor: what a page costs that shows a stream and does nothing else. A socket, JSON.parse, text appended.
// The benchmark calls `floor(address, token)`, because a page without features cannot pair.
window.floor = (address, token) => {
    const out = document.getElementById("out");
    const socket = new WebSocket(address);
    socket.onopen = () => {
        socket.send(JSON.stringify({ type: "auth", credential: { type: "oauth", token } }));
    };
    socket.onmessage = (message) => {
        const frame = JSON.parse(message.data);
        if (frame.type === "live") {
            let text = "";
            for (const { event } of frame.events) {
                text += event.event?.delta?.text ?? "";
            }
            out.append(text);
        } else if (frame.type === "events") {
            socket.send(JSON.stringify({ type: "ack", seq: frame.events.at(-1).seq }));
        } else if (frame.type === "welcome") {
            document.title = "online";
        }
    };
};
