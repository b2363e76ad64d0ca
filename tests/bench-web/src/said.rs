//! What the agent says: prose in small pieces, and turns as they stand in a log. Made up, and the same in every run.

use portcullis_protocol::RawJson;
use portcullis_protocol::approval::digest;
use serde_json::{Value, json};

/// Characters of one delta: what an API sends, on average.
const DELTA_CHARS: usize = 5;
/// Sentences, as an agent writes them about somebody's code.
const SENTENCES: [&str; 6] = [
    "The retry loop in `backoff.rs` resets its counter on every error, so a dead line is asked in a busy loop.",
    "I moved the check in front of the write, where **both** callers pass, and left the old name as an alias.",
    "Three tests failed before the change and none after it; the slow one waits for a lock that nobody holds.",
    "See [the notes](https://example.org/notes) for why the order matters, and `cargo test -p core` for the proof.",
    "Nothing else reads that field, which *was* only kept for an import that ended two releases ago.",
    "What is left is the name of the option: `--keep` says too little, and `--keep-worktrees` says all of it.",
];

/// The volatile events of one message with `count` pieces of text, and the whole text.
#[must_use]
pub fn message(id: &str, count: usize) -> (Vec<Value>, String) {
    let text: String = prose().take(count * DELTA_CHARS).collect();
    let characters: Vec<char> = text.chars().collect();
    let start = json!({ "type": "message_start", "message": {
        "id": id, "type": "message", "role": "assistant", "model": "bench", "content": [],
    } });
    let begin =
        json!({ "type": "content_block_start", "index": 0, "content_block": { "type": "text", "text": "" } });
    let deltas = characters.chunks(DELTA_CHARS).map(|piece| {
        let text: String = piece.iter().collect();
        json!({ "type": "content_block_delta", "index": 0, "delta": { "type": "text_delta", "text": text } })
    });
    let events = [start, begin].into_iter().chain(deltas).zip(0_u64..).map(|(event, n)| {
        json!({
            "type": "stream_event", "event": event, "session_id": "bench", "parent_tool_use_id": null,
            "uuid": uuid(id, n), "api_message_id": id,
        })
    });
    (events.collect(), text)
}

/// The durable line that seals a message of text.
#[must_use]
pub fn sealed(id: &str, text: &str) -> Value {
    assistant(id, "sealed", json!([{ "type": "text", "text": text }]))
}

/// The end of a turn.
#[must_use]
pub fn result(id: &str) -> Value {
    json!({
        "type": "result", "subtype": "success", "is_error": false, "duration_ms": 4_200, "duration_api_ms": 3_900,
        "num_turns": 2, "result": "", "session_id": "bench", "total_cost_usd": 0.01,
        "usage": { "input_tokens": 900, "output_tokens": 120 }, "uuid": uuid(id, 9_999),
    })
}

/// What a person says in turn `number`.
#[must_use]
pub fn prompt(number: u64) -> Value {
    json!({
        "type": "user", "uuid": uuid("prompt", number), "session_id": "", "parent_tool_use_id": null,
        "message": { "role": "user", "content": format!("Turn {number}: look at the retry loop again.") },
    })
}

/// What the agent says to it: the replay of the prompt, an answer, a command, what it printed, and the end. Six events.
#[must_use]
pub fn turn(number: u64) -> Vec<Value> {
    let id = format!("msg_{number}");
    let tool = format!("toolu_{number}");
    let at = usize::try_from(number).unwrap_or_default();
    let sentence = |offset: usize| SENTENCES[(at + offset) % SENTENCES.len()];
    let mut replay = prompt(number);
    replay["isReplay"] = true.into();
    let printed: String = (0..12).map(|line| format!("test core::case_{line} ... ok\n")).collect();
    let command = json!({ "command": "cargo test -p core", "description": "Run the tests" });
    let output =
        json!([{ "type": "tool_result", "tool_use_id": tool, "content": printed, "is_error": false }]);
    vec![
        replay,
        assistant(
            &id,
            "say",
            json!([{ "type": "text", "text": format!("{} {}", sentence(0), sentence(1)) }]),
        ),
        assistant(&id, "use", json!([{ "type": "tool_use", "id": tool, "name": "Bash", "input": command }])),
        json!({
            "type": "user", "message": { "role": "user", "content": output }, "parent_tool_use_id": null,
            "session_id": "bench", "uuid": uuid("output", number),
        }),
        assistant(
            &format!("{id}b"),
            "end",
            json!([{ "type": "text", "text": format!("{}\n\nEnd of turn {number}.", sentence(2)) }]),
        ),
        result(&id),
    ]
}

/// Events of a turn in the log, its prompt among them.
pub const TURN_EVENTS: u64 = 7;

/// A request to run a command, as the control lane carries it.
#[must_use]
pub fn request(id: &str, command: &str) -> Value {
    let request = json!({
        "subtype": "can_use_tool", "tool_name": "Bash", "tool_use_id": format!("toolu_{id}"),
        "input": { "command": command, "description": "Says hello" },
    });
    let raw = RawJson::parse(&request.to_string()).expect("what was just written is JSON");
    let event = json!({ "type": "control_request", "request_id": id, "request": request });
    json!({ "request_id": id, "digest": digest(&raw), "event": event })
}

fn assistant(id: &str, what: &str, content: Value) -> Value {
    json!({
        "type": "assistant",
        "message": {
            "id": id, "type": "message", "role": "assistant", "model": "bench", "content": content,
            "stop_reason": null, "stop_sequence": null,
        },
        "parent_tool_use_id": null, "session_id": "bench", "uuid": format!("{what}-{id}"),
    })
}

fn uuid(what: &str, number: u64) -> String {
    format!("{what}-{number}")
}

/// Paragraphs, lists and code without end.
fn prose() -> impl Iterator<Item = char> {
    (0_usize..).flat_map(|at| {
        let sentence = |offset: usize| SENTENCES[(at + offset) % SENTENCES.len()];
        let piece = match at % 5 {
            3 => format!("- {}\n- {}\n- {}\n\n", sentence(0), sentence(1), sentence(2)),
            4 => "```rust\nfn next_delay(&mut self) -> Duration {\n    self.step.min(LONGEST)\n}\n```\n\n"
                .to_owned(),
            _ => format!("{} {} {}\n\n", sentence(0), sentence(1), sentence(2)),
        };
        piece.chars().collect::<Vec<_>>()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_in_pieces_is_its_whole_text() {
        let (events, text) = message("m", 1_000);
        assert_eq!(events.len(), 1_002);
        let pieces = events.iter().filter_map(|event| event["event"]["delta"]["text"].as_str());
        assert_eq!(pieces.collect::<String>(), text);
    }

    #[test]
    fn a_turn_has_as_many_events_as_it_is_counted_for() {
        assert_eq!(turn(7).len() as u64 + 1, TURN_EVENTS);
    }
}
