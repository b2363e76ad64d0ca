//! A long session that nobody recorded: turns with a prompt, streamed text, a tool call and its result, the same at
//! every run and as long as wanted. It grows without end, so that a cost that grows with it shows.

use std::collections::VecDeque;

use crate::Line;

/// Pieces of text in one streamed block.
const TEXT_DELTAS: u64 = 24;
/// Pieces of a streamed tool input.
const INPUT_DELTAS: u64 = 10;
const WORDS: [&str; 12] = [
    "the",
    "gate",
    "opens",
    "once",
    "for",
    "exactly",
    "those",
    "bytes,",
    "`src/main.rs`",
    "→",
    "said\\n",
    "\\\"so\\\"",
];

/// Makes the events of one session, in wire order.
#[derive(Debug)]
pub(crate) struct Synthetic {
    turn: u64,
    random: u64,
    ready: VecDeque<Line>,
}

impl Synthetic {
    pub(crate) fn new() -> Self {
        Self { turn: 0, random: 0x9E37_79B9_7F4A_7C15, ready: VecDeque::new() }
    }

    /// The next `count` events.
    pub(crate) fn take(&mut self, count: usize) -> Vec<Line> {
        while self.ready.len() < count {
            self.one_turn();
        }
        self.ready.drain(..count).collect()
    }

    fn one_turn(&mut self) {
        self.turn += 1;
        let turn = self.turn;
        let prompt = format!("00000000-0000-4000-8000-{turn:012x}");
        let said = format!(r#"{{"role":"user","content":"Prompt {turn}: {}"}}"#, self.words(12));
        self.durable("user", &format!(r#""uuid":"{prompt}","parent_tool_use_id":null,"message":{said}"#));
        self.lifecycle(&prompt, "queued");
        self.lifecycle(&prompt, "started");
        self.durable(
            "system",
            r#""subtype":"init","cwd":"/home/me/project","model":"claude-opus-5-5","permissionMode":"default","tools":["Bash","Read","Edit","Write","Agent"],"mcp_servers":[],"slash_commands":["clear","compact"],"apiKeySource":"none""#,
        );
        self.durable("system", r#""subtype":"status","status":"requesting","permissionMode":"default""#);
        let replay =
            format!(r#""uuid":"{prompt}","isReplay":true,"parent_tool_use_id":null,"message":{said}"#);
        self.durable("user", &replay);

        let message = format!("msg_{turn:08x}a");
        self.message_start(&message);
        self.text_block(&message, 0);
        self.tool_block(&message, 1, turn);
        self.message_end(&message, "tool_use");

        self.durable("system", r#""subtype":"status","status":"requesting","permissionMode":"default""#);
        let message = format!("msg_{turn:08x}b");
        self.message_start(&message);
        self.text_block(&message, 0);
        self.message_end(&message, "end_turn");
        self.durable(
            "result",
            &format!(
                r#""subtype":"success","is_error":false,"duration_ms":{},"num_turns":2,"result":"Done.","total_cost_usd":{turn}.25,"usage":{{"input_tokens":1200,"cache_read_input_tokens":34,"output_tokens":{turn}}},"modelUsage":{{"claude-opus-5-5":{{"inputTokens":1200,"outputTokens":{turn},"contextWindow":200000}}}},"permission_denials":[]"#,
                900 + turn % 100,
            ),
        );
        self.lifecycle(&prompt, "completed");
    }

    fn message_start(&mut self, message: &str) {
        self.stream(
            message,
            &format!(
                r#"{{"type":"message_start","message":{{"id":"{message}","type":"message","role":"assistant","model":"claude-opus-5-5","content":[],"stop_reason":null,"stop_sequence":null,"usage":{{"input_tokens":1200,"output_tokens":1}}}}}}"#
            ),
        );
    }

    fn text_block(&mut self, message: &str, index: u64) {
        self.start(message, index, r#"{"type":"text","text":""}"#);
        let mut whole = String::new();
        for _ in 0..TEXT_DELTAS {
            let piece = self.words(4);
            self.delta(message, index, &format!(r#"{{"type":"text_delta","text":"{piece}"}}"#));
            whole += &piece;
        }
        self.assistant(message, &format!(r#"{{"type":"text","text":"{whole}"}}"#));
        self.stop(message, index);
    }

    fn tool_block(&mut self, message: &str, index: u64, turn: u64) {
        let call = format!("toolu_{turn:012x}");
        self.start(
            message,
            index,
            &format!(r#"{{"type":"tool_use","id":"{call}","name":"Bash","input":{{}}}}"#),
        );
        for part in 0..INPUT_DELTAS {
            let piece = format!(r#"{{"type":"input_json_delta","partial_json":"\"k{part}\": {part},"}}"#);
            self.delta(message, index, &piece);
        }
        let input = format!(
            r#"{{"command":"cargo test -p part{turn}","description":"Run the tests","timeout":60000}}"#
        );
        self.assistant(
            message,
            &format!(r#"{{"type":"tool_use","id":"{call}","name":"Bash","input":{input}}}"#),
        );
        self.stop(message, index);
        let output = self.words(60);
        self.durable(
            "user",
            &format!(
                r#""message":{{"role":"user","content":[{{"tool_use_id":"{call}","type":"tool_result","content":"{output}","is_error":false}}]}},"parent_tool_use_id":null,"uuid":"{}","tool_use_result":{{"stdout":"{output}","stderr":"","interrupted":false,"isImage":false}},"tool_result_meta":[{{"id":"{call}","permission_decision":{{"decision":"accept","source":"user_temporary"}}}}]"#,
                self.turn_uuid(7),
            ),
        );
    }

    fn message_end(&mut self, message: &str, reason: &str) {
        self.stream(
            message,
            &format!(
                r#"{{"type":"message_delta","delta":{{"stop_reason":"{reason}","stop_sequence":null}},"usage":{{"output_tokens":42}}}}"#
            ),
        );
        self.stream(message, r#"{"type":"message_stop"}"#);
    }

    fn start(&mut self, message: &str, index: u64, block: &str) {
        let event = format!(r#"{{"type":"content_block_start","index":{index},"content_block":{block}}}"#);
        self.stream(message, &event);
    }

    fn delta(&mut self, message: &str, index: u64, delta: &str) {
        self.stream(message, &format!(r#"{{"type":"content_block_delta","index":{index},"delta":{delta}}}"#));
    }

    fn stop(&mut self, message: &str, index: u64) {
        self.stream(message, &format!(r#"{{"type":"content_block_stop","index":{index}}}"#));
    }

    fn stream(&mut self, message: &str, event: &str) {
        let uuid = self.turn_uuid(self.ready.len() as u64);
        self.push(
            false,
            "stream_event",
            &format!(
                r#""event":{event},"session_id":"{SESSION}","parent_tool_use_id":null,"uuid":"{uuid}","api_message_id":"{message}""#
            ),
        );
    }

    fn assistant(&mut self, message: &str, block: &str) {
        let uuid = self.turn_uuid(self.ready.len() as u64);
        self.durable(
            "assistant",
            &format!(
                r#""message":{{"id":"{message}","type":"message","role":"assistant","model":"claude-opus-5-5","content":[{block}],"stop_reason":null,"stop_sequence":null,"usage":{{"input_tokens":1200,"output_tokens":1}},"context_management":null}},"parent_tool_use_id":null,"session_id":"{SESSION}","uuid":"{uuid}","timestamp":"2026-11-21T09:11:20.842Z","request_id":"req_1""#
            ),
        );
    }

    fn lifecycle(&mut self, prompt: &str, state: &str) {
        self.durable("command_lifecycle", &format!(r#""command_uuid":"{prompt}","state":"{state}""#));
    }

    fn durable(&mut self, kind: &str, fields: &str) {
        self.push(true, kind, fields);
    }

    fn push(&mut self, is_durable: bool, kind: &str, fields: &str) {
        self.ready.push_back(Line { text: format!(r#"{{"type":"{kind}",{fields}}}"#), is_durable });
    }

    fn turn_uuid(&self, number: u64) -> String {
        format!("{:08x}-{number:04x}-4000-9000-000000000000", self.turn)
    }

    fn words(&mut self, count: usize) -> String {
        let mut text = String::new();
        for _ in 0..count {
            self.random ^= self.random << 13;
            self.random ^= self.random >> 7;
            self.random ^= self.random << 17;
            let index = usize::try_from(self.random % WORDS.len() as u64).unwrap_or_default();
            text.push_str(WORDS[index]);
            text.push(' ');
        }
        text
    }
}

const SESSION: &str = "5b2f0d5e-6f43-4a2e-9f0f-3d1f4a0c9b11";
