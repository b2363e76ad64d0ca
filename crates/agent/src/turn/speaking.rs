//! Says what the scripted model wrote: its deltas at its pace.

use serde_json::{json, value::RawValue};

use super::{
    TurnContext,
    streaming::{Cut, Stream, Streamed, Wanted},
};
use crate::{
    model::{Gap, Part, prose},
    wire::scribe::Block,
};

/// Pieces a tool's input is streamed in; more would only be noise.
const INPUT_PIECES: usize = 2;
/// Stands where a real model signs its thinking.
const SIGNATURE: &str = "c2NyaXB0ZWQ=";

pub(super) async fn say(
    context: &TurnContext,
    parts: Vec<Part>,
    binds_prompts: bool,
) -> Result<Streamed, Cut> {
    let mut stream = Stream::new(context, binds_prompts);
    for part in parts {
        let said = match part {
            Part::Text { deltas, .. } | Part::Thinking { deltas } if deltas.is_empty() => Ok(()),
            Part::Text { deltas, gap } => text(&mut stream, &deltas, gap).await,
            Part::Thinking { deltas } => thinking(&mut stream, &deltas).await,
            Part::Call { name, input } => call(&mut stream, name, input).await,
            Part::Pause { ms } => pause(&stream, ms).await,
            Part::Raw(line) => {
                context.line(line).await;
                Ok(())
            }
        };
        if said.is_err() {
            return Err(stream.cut().await);
        }
    }
    Ok(stream.finish(None).await)
}

async fn text(stream: &mut Stream<'_>, deltas: &[String], gap: Gap) -> Result<(), Wanted> {
    let index = stream.start_block(json!({"type": "text", "text": ""})).await;
    let gap_ms = match gap {
        Gap::Pace => stream.context.pace.delta_ms,
        Gap::Ms(ms) => ms,
    };
    let mut text = String::new();
    for delta in deltas {
        if !stream.context.pause(gap_ms).await {
            stream.keep_partial(text).await;
            return Err(Wanted);
        }
        text.push_str(delta);
        stream.delta(index, json!({"type": "text_delta", "text": delta}), delta.len()).await;
    }
    stream.end_block(Block::Text { text }).await;
    Ok(())
}

async fn thinking(stream: &mut Stream<'_>, deltas: &[String]) -> Result<(), Wanted> {
    let index = stream.start_block(json!({"type": "thinking", "thinking": "", "signature": ""})).await;
    let mut bytes = 0;
    for delta in deltas {
        pause(stream, stream.context.pace.delta_ms).await?;
        stream.thought(bytes, bytes + delta.len()).await;
        bytes += delta.len();
        stream.delta(index, json!({"type": "thinking_delta", "thinking": delta}), delta.len()).await;
    }
    stream.delta(index, json!({"type": "signature_delta", "signature": SIGNATURE}), 0).await;
    stream.end_block(Block::Thinking { thinking: deltas.concat(), signature: SIGNATURE.to_owned() }).await;
    Ok(())
}

async fn call(stream: &mut Stream<'_>, name: String, input: Box<RawValue>) -> Result<(), Wanted> {
    pause(stream, 0).await?;
    let id = format!("toolu_{}", stream.context.scribe.world.token(24));
    let index = stream.start_block(json!({"type": "tool_use", "id": id, "name": name, "input": {}})).await;
    let pieces = std::iter::once("").chain(pieces(input.get()));
    for piece in pieces {
        stream.delta(index, json!({"type": "input_json_delta", "partial_json": piece}), piece.len()).await;
    }
    stream.end_block(Block::ToolUse { id, name, input: input.clone() }).await;
    Ok(())
}

async fn pause(stream: &Stream<'_>, ms: u64) -> Result<(), Wanted> {
    if stream.context.pause(ms).await { Ok(()) } else { Err(Wanted) }
}

/// A tool's input in a few pieces, cut at characters.
fn pieces(input: &str) -> impl Iterator<Item = &str> {
    let middle = prose::boundary(input, input.len() / INPUT_PIECES);
    let (head, tail) = input.split_at(middle);
    [head, tail].into_iter().filter(|piece| !piece.is_empty())
}
