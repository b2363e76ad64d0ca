// A page that does what the official browser client offers, and keeps what comes back for the test to look at.
import { query } from "./browser-sdk.js";

const waiting = [];
let wake = () => {};

async function* prompts() {
  for (;;) {
    while (waiting.length > 0) yield waiting.shift();
    await new Promise((resolve) => { wake = resolve; });
  }
}

const talk = {
  messages: [],
  asked: [],
  answers: [],
  initialised: null,
  interrupted: 0,
  ended: null,

  open(url, token) {
    const authMessage = { type: "auth", credential: { type: "oauth", token } };
    talk.query = query({ prompt: prompts(), websocket: { url, authMessage }, canUseTool: talk.ask });
    talk.query.initializationResult().then(
      (result) => { talk.initialised = result; },
      (error) => { talk.ended = `initialize: ${error}`; },
    );
    talk.read();
  },

  async read() {
    try {
      for await (const message of talk.query) talk.messages.push(message);
      talk.ended = "the iterator ended";
    } catch (error) {
      talk.ended = String(error);
    }
  },

  ask(tool, input, { toolUseID }) {
    talk.asked.push({ tool, input, toolUseID });
    return new Promise((resolve) => { talk.answers.push(resolve); });
  },

  allow(index) {
    talk.answers[index]({ behavior: "allow", updatedInput: talk.asked[index].input });
  },

  deny(index, message) {
    talk.answers[index]({ behavior: "deny", message });
  },

  prompt(text) {
    waiting.push({
      type: "user",
      uuid: crypto.randomUUID(),
      session_id: "",
      parent_tool_use_id: null,
      message: { role: "user", content: text },
    });
    wake();
  },

  interrupt() {
    talk.query.interrupt().then(
      () => { talk.interrupted += 1; },
      (error) => { talk.ended = `interrupt: ${error}`; },
    );
  },

  // What came of one type, from a position on.
  of(type, from) {
    return talk.messages.slice(from).filter((message) => message.type === type);
  },

  // The text of all pieces streamed from a position on.
  streamed(from) {
    const deltas = talk.of("stream_event", from).map(({ event }) => event.delta?.text);
    return deltas.filter((text) => text !== undefined);
  },
};

window.talk = talk;
