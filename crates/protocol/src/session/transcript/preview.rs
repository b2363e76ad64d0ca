//! Previews: what a message looks like while it is made. They are thrown away or sealed, never trusted.

use std::collections::HashMap;

use super::{ItemBody, ItemId, ToolCall, ToolInput, ToolState, Transcript};
use crate::limits::EVENT_BYTES_MAX;
use crate::wire::agent::{Block, Delta, Stream};

/// Messages whose blocks are remembered, so that a piece that comes late finds its block sealed.
const MESSAGES_MAX: usize = 16;

/// Blocks of one message that are previewed; further ones appear when they are sealed.
const BLOCKS_MAX: usize = 1_024;

/// The messages being made, newest last.
#[derive(Debug, Default)]
pub(super) struct Previews {
    messages: Vec<Message>,
}

#[derive(Debug)]
struct Message {
    id: String,
    blocks: HashMap<usize, BlockState>,
    /// Blocks that durable lines have sealed so far, previewed or not.
    sealed: usize,
    /// From this block on nothing will be finished.
    abandoned_from: usize,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum BlockState {
    Open(ItemId),
    Sealed,
    Dropped,
}

impl Previews {
    fn message(&mut self, id: &str) -> Option<&mut Message> {
        self.messages.iter_mut().rev().find(|message| message.id == id)
    }

    fn message_or_new(&mut self, id: &str) -> &mut Message {
        let index = self.messages.iter().rposition(|message| message.id == id).unwrap_or_else(|| {
            if self.messages.len() == MESSAGES_MAX {
                self.messages.remove(0);
            }
            self.messages.push(Message {
                id: id.to_owned(),
                blocks: HashMap::new(),
                sealed: 0,
                abandoned_from: usize::MAX,
            });
            self.messages.len() - 1
        });
        &mut self.messages[index]
    }

    /// Every open preview, taken out.
    fn take_open(&mut self, keep: Option<&str>) -> Vec<ItemId> {
        let mut open = Vec::new();
        for message in self.messages.iter_mut().filter(|message| Some(message.id.as_str()) != keep) {
            for state in message.blocks.values_mut() {
                if let BlockState::Open(id) = *state {
                    open.push(id);
                    *state = BlockState::Dropped;
                }
            }
        }
        open
    }
}

impl Message {
    /// The first open block whose preview `fits`, marked as sealed; counts the line either way.
    fn seal_next(&mut self, fits: impl Fn(ItemId) -> bool) -> Option<ItemId> {
        self.sealed += 1;
        let mut open: Vec<(usize, ItemId)> = self
            .blocks
            .iter()
            .filter_map(|(index, state)| match state {
                BlockState::Open(id) => Some((*index, *id)),
                BlockState::Sealed | BlockState::Dropped => None,
            })
            .collect();
        open.sort_unstable_by_key(|(index, _)| *index);
        let (index, id) = open.into_iter().find(|(_, id)| fits(*id))?;
        self.blocks.insert(index, BlockState::Sealed);
        Some(id)
    }
}

impl Transcript {
    /// Applies one volatile `stream_event`.
    pub(super) fn preview(&mut self, stream: &Stream) {
        let event = &stream.event;
        match event.kind.as_str() {
            "message_start" => {
                let Some(id) =
                    stream.api_message_id.as_deref().or(event.message.as_ref().map(|m| m.id.as_str()))
                else {
                    return;
                };
                self.drop_previews(Some(id));
                self.previews.message_or_new(id);
            }
            "content_block_start" => self.start_block(stream),
            "content_block_delta" => self.extend_block(stream),
            "message_stop" | "message_delta" => self.abandon_blocks(stream),
            _ => {}
        }
    }

    /// The message a stream event belongs to: the one it names, else the newest.
    fn message_id(&self, stream: &Stream) -> Option<String> {
        stream
            .api_message_id
            .clone()
            .or_else(|| self.previews.messages.last().map(|message| message.id.clone()))
    }

    fn start_block(&mut self, stream: &Stream) {
        let (Some(message), Some(index), Some(raw)) =
            (self.message_id(stream), stream.event.index, &stream.event.content_block)
        else {
            return;
        };
        let known = self.previews.message_or_new(&message);
        if known.blocks.contains_key(&index)
            || index < known.sealed
            || index >= known.abandoned_from
            || known.blocks.len() >= BLOCKS_MAX
        {
            return;
        }
        let body = match Block::parse(raw) {
            Block::Text { text } => ItemBody::Text { text, live: true, aborted: false },
            Block::Thinking { thinking } => ItemBody::Thinking { text: thinking, live: true },
            Block::ToolUse { id, name, .. } => {
                if self.tools.contains_key(&id) {
                    return;
                }
                ItemBody::Tool(ToolCall {
                    tool_use_id: id,
                    name,
                    input: ToolInput::Partial(String::new()),
                    state: ToolState::Writing,
                    output: None,
                })
            }
            Block::RedactedThinking | Block::ToolResult { .. } | Block::Image | Block::Other(_) => return,
        };
        let id = self.push_preview(body);
        if let Some(known) = self.previews.message(&message) {
            known.blocks.insert(index, BlockState::Open(id));
        }
    }

    fn extend_block(&mut self, stream: &Stream) {
        let (Some(message), Some(index), Some(delta)) =
            (self.message_id(stream), stream.event.index, &stream.event.delta)
        else {
            return;
        };
        let Some(BlockState::Open(id)) =
            self.previews.message(&message).and_then(|known| known.blocks.get(&index))
        else {
            return;
        };
        let id = *id;
        self.update(id, |body| extend(body, delta));
    }

    fn abandon_blocks(&mut self, stream: &Stream) {
        let (Some(message), Some(abandoned)) = (self.message_id(stream), &stream.abandoned_blocks) else {
            return;
        };
        let Some(known) = self.previews.message(&message) else { return };
        known.abandoned_from = abandoned.from_block_index;
        let mut dead = Vec::new();
        for (index, state) in &mut known.blocks {
            if let (BlockState::Open(id), true) = (*state, *index >= abandoned.from_block_index) {
                dead.push(id);
                *state = BlockState::Dropped;
            }
        }
        for id in dead {
            self.remove(id);
        }
    }

    /// Drops every preview, but those of the message `keep`.
    pub(super) fn drop_previews(&mut self, keep: Option<&str>) {
        for id in self.previews.take_open(keep) {
            self.remove(id);
        }
    }

    /// The preview that the next durable block of `message` seals, if it fits `body`.
    pub(super) fn sealed_preview(&mut self, message: &str, body: &ItemBody) -> Option<ItemId> {
        let (items, alive) = (&self.items, &self.alive);
        let fits = |id: ItemId| {
            alive
                .get(&id)
                .and_then(|place| items.get(*place))
                .is_some_and(|item| same_block(&item.body, body))
        };
        self.previews.message_or_new(message).seal_next(fits)
    }
}

fn extend(body: &mut ItemBody, delta: &Delta) -> bool {
    let (target, piece) = match body {
        ItemBody::Text { text, .. } => (text, &delta.text),
        ItemBody::Thinking { text, .. } => (text, &delta.thinking),
        ItemBody::Tool(ToolCall { input: ToolInput::Partial(text), .. }) => (text, &delta.partial_json),
        ItemBody::Tool(_) | ItemBody::Prompt(_) | ItemBody::Notice(_) | ItemBody::TurnEnd(_) => return false,
    };
    let Some(piece) = piece.as_deref().filter(|piece| !piece.is_empty()) else { return false };
    if target.len() + piece.len() > EVENT_BYTES_MAX {
        return false;
    }
    target.push_str(piece);
    true
}

/// Whether a preview and a finished block are the same block.
fn same_block(preview: &ItemBody, sealed: &ItemBody) -> bool {
    match (preview, sealed) {
        (ItemBody::Text { .. }, ItemBody::Text { .. })
        | (ItemBody::Thinking { .. }, ItemBody::Thinking { .. }) => true,
        (ItemBody::Tool(a), ItemBody::Tool(b)) => a.tool_use_id == b.tool_use_id,
        _ => false,
    }
}
