//! `stream_event`: a message while it is made (PROTOCOL 4).

use super::assistant::{ApiMessage, StopReason, Usage};
use super::block::Block;
use super::macros::{record, tagged};
use super::value::{Any, Count, Field, List, Number, Text};

record! {
    /// A `stream_event` line (PROTOCOL 4, captured). Volatile: losing it changes no final screen.
    pub struct StreamEvent ["type" = "stream_event"] {
        /// The event of the Messages API.
        event: ApiEvent,
        /// `null` in all recordings: sub-agents do not stream.
        parent_tool_use_id: Text,
        /// The event's own id, fresh for each.
        uuid: Text,
        /// The agent's session.
        session_id: Text,
        /// Time to the first token in ms, on `message_start`.
        ttft_ms: Count,
        /// The prompt it answers.
        user_message_uuid: Text,
        /// All prompts it answers.
        user_message_uuids: List<String>,
        /// Why the turn was taken up again (typed).
        resume_reason: Text,
        /// The message it belongs to (captured, on every event).
        api_message_id: Text,
        /// How thinking is shown (captured).
        thinking_display: Text,
        /// Rows still to come (captured).
        owed_rows: Any,
        /// Blocks that will never be finished (captured, on closing events).
        abandoned_blocks: Field<AbandonedBlocks>,
    }
}

record! {
    /// Blocks that will never be finished (PROTOCOL 4, captured).
    pub struct AbandonedBlocks [] {
        /// The message.
        api_message_id: Text,
        /// This block and all after it.
        from_block_index: Number,
    }
}

tagged! {
    /// An event of the Messages API (PROTOCOL 4, captured; docs).
    pub enum ApiEvent by "type" {
        /// A message begins.
        "message_start" => MessageStart(MessageStart),
        /// A block begins.
        "content_block_start" => ContentBlockStart(ContentBlockStart),
        /// A block grows.
        "content_block_delta" => ContentBlockDelta(ContentBlockDelta),
        /// A block ends; not always a finished one.
        "content_block_stop" => ContentBlockStop(ContentBlockStop),
        /// The message's own fields change.
        "message_delta" => MessageDelta(MessageDelta),
        /// The message ends.
        "message_stop" => MessageStop(MessageStop),
        /// Nothing.
        "ping" => Ping(Ping),
        /// The API failed.
        "error" => Error(ErrorEvent),
    }
}

record! {
    /// A message begins (PROTOCOL 4, captured).
    pub struct MessageStart ["type" = "message_start"] {
        /// The message, without content.
        message: ApiMessage,
    }
}

record! {
    /// A block begins (PROTOCOL 4, captured).
    pub struct ContentBlockStart ["type" = "content_block_start"] {
        /// Its place in the message.
        index: Number,
        /// The block, empty unless it comes whole.
        content_block: Block,
    }
}

record! {
    /// A block grows (PROTOCOL 4, captured).
    pub struct ContentBlockDelta ["type" = "content_block_delta"] {
        /// Its place in the message.
        index: Number,
        /// By what.
        delta: Delta,
    }
}

record! {
    /// A block ends (PROTOCOL 4, captured). The `assistant` line came before it, if one comes at all.
    pub struct ContentBlockStop ["type" = "content_block_stop"] {
        /// Its place in the message.
        index: Number,
    }
}

record! {
    /// The message's own fields change (PROTOCOL 4, captured).
    pub struct MessageDelta ["type" = "message_delta"] {
        /// The fields.
        delta: MessageChange,
        /// Tokens so far, cumulative.
        usage: Field<Usage>,
        /// What was cut from the context.
        context_management: Any,
    }
}

record! {
    /// The message's own fields (PROTOCOL 4, captured).
    pub struct MessageChange [] {
        /// Why it stopped; `null` after an interrupt.
        stop_reason: Field<StopReason>,
        /// The sequence that stopped it.
        stop_sequence: Text,
        /// The container of code execution.
        container: Any,
        /// More about the stop.
        stop_details: Any,
    }
}

record! {
    /// The message ends (PROTOCOL 4, captured).
    pub struct MessageStop ["type" = "message_stop"] {}
}

record! {
    /// Nothing (PROTOCOL 4, docs; agents did not forward it).
    pub struct Ping ["type" = "ping"] {}
}

record! {
    /// The API failed (PROTOCOL 4, docs; agents did not forward it).
    pub struct ErrorEvent ["type" = "error"] {
        /// What happened.
        error: Field<ErrorBody>,
    }
}

record! {
    /// What the API says about its failure (PROTOCOL 4, docs).
    pub struct ErrorBody [] {
        /// `overloaded_error`, ….
        kind as "type": Text,
        /// For a person.
        message: Text,
    }
}

tagged! {
    /// A piece of a block (PROTOCOL 4, captured; docs).
    pub enum Delta by "type" {
        /// Text.
        "text_delta" => Text(TextDelta),
        /// A fragment of a tool's input.
        "input_json_delta" => InputJson(InputJsonDelta),
        /// Thinking.
        "thinking_delta" => Thinking(ThinkingDelta),
        /// The signature of thinking.
        "signature_delta" => Signature(SignatureDelta),
        /// Where text is from.
        "citations_delta" => Citations(CitationsDelta),
        /// A summary.
        "compaction_delta" => Compaction(CompactionDelta),
    }
}

record! {
    /// Text (PROTOCOL 4, captured).
    pub struct TextDelta ["type" = "text_delta"] {
        /// To be appended.
        text: String,
    }
}

record! {
    /// A fragment of a tool's input (PROTOCOL 4, captured).
    pub struct InputJsonDelta ["type" = "input_json_delta"] {
        /// To be appended; the first may be `""`. JSON only when joined.
        partial_json: String,
    }
}

record! {
    /// Thinking (PROTOCOL 4, captured).
    pub struct ThinkingDelta ["type" = "thinking_delta"] {
        /// To be appended.
        thinking: String,
        /// Tokens so far, as a guess.
        estimated_tokens: Count,
    }
}

record! {
    /// The signature of thinking (PROTOCOL 4, captured).
    pub struct SignatureDelta ["type" = "signature_delta"] {
        /// Opaque.
        signature: String,
    }
}

record! {
    /// Where text is from (PROTOCOL 4, docs).
    pub struct CitationsDelta ["type" = "citations_delta"] {
        /// One citation.
        citation: Any,
    }
}

record! {
    /// A summary (PROTOCOL 4, docs).
    pub struct CompactionDelta ["type" = "compaction_delta"] {
        /// To be appended.
        content: Text,
        /// The same, opaque.
        encrypted_content: Text,
    }
}
