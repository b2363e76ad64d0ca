//! Previews: what a message looks like while it is made. They are thrown away or sealed, never trusted, and bounded in
//! number and bytes whatever the stream says.

use std::borrow::Cow;
use std::collections::{BTreeMap, VecDeque};

use super::{ItemBody, ItemId, ToolCall, ToolInput, Transcript};
use crate::limits::{FOREIGN_ID_BYTES_MAX, PREVIEW_BLOCKS_MAX, PREVIEW_BYTES_MAX, PREVIEW_MESSAGES_MAX};
use crate::wire::agent::{Block, Delta, Stream};

/// The messages being made, newest last.
#[derive(Debug, Default)]
pub(super) struct Previews {
    messages: VecDeque<Message>,
    blocks: usize,
    bytes: usize,
}

#[derive(Debug)]
struct Message {
    id: String,
    open: BTreeMap<usize, Open>,
    /// Blocks up to this one were sealed by durable lines, previewed or not.
    sealed: usize,
    /// From this block on nothing will be finished.
    abandoned_from: usize,
}

#[derive(Clone, Copy, Debug)]
struct Open {
    item: ItemId,
    bytes: usize,
}

/// Previews on their way from one fold of a log to another fold of the same log.
#[derive(Debug)]
pub(in crate::session) struct Carried {
    previews: Previews,
    bodies: Vec<(ItemId, ItemBody)>,
}

impl Previews {
    fn message(&mut self, id: &str) -> Option<&mut Message> {
        self.messages.iter_mut().rev().find(|message| message.id == id)
    }

    /// The message of that id, made if there is none. Above [`PREVIEW_MESSAGES_MAX`] the oldest goes; the caller
    /// removes the items that are returned.
    fn message_or_new(&mut self, id: &str) -> Vec<ItemId> {
        if self.message(id).is_some() {
            return Vec::new();
        }
        let mut gone = Vec::new();
        if self.messages.len() == PREVIEW_MESSAGES_MAX
            && let Some(mut oldest) = self.messages.pop_front()
        {
            gone = self.close(std::mem::take(&mut oldest.open).into_values());
        }
        self.messages.push_back(Message {
            id: id.to_owned(),
            open: BTreeMap::new(),
            sealed: 0,
            abandoned_from: usize::MAX,
        });
        gone
    }

    /// Every open preview, taken out, but those of the message `keep`.
    fn take_open(&mut self, keep: Option<&str>) -> Vec<ItemId> {
        if self.blocks == 0 {
            return Vec::new();
        }
        let mut open = Vec::new();
        for message in self.messages.iter_mut().filter(|message| Some(message.id.as_str()) != keep) {
            open.extend(std::mem::take(&mut message.open).into_values());
        }
        self.close(open.into_iter())
    }

    fn close(&mut self, open: impl Iterator<Item = Open>) -> Vec<ItemId> {
        let closed = open.map(|open| {
            self.blocks -= 1;
            self.bytes -= open.bytes;
            open.item
        });
        closed.collect()
    }

    /// Seals the next block of `message`: the first open one that `fits`. Counts the block either way.
    fn seal_next(&mut self, message: &str, fits: impl Fn(ItemId) -> bool) -> Option<ItemId> {
        let message = self.message(message)?;
        message.sealed += 1;
        let index = message.open.iter().find(|(_, open)| fits(open.item)).map(|(index, _)| *index)?;
        message.sealed = message.sealed.max(index.saturating_add(1));
        let open = message.open.remove(&index)?;
        self.close(std::iter::once(open)).first().copied()
    }
}

impl Transcript {
    /// Applies one volatile `stream_event`. Sub-agents do not stream; what claims to be one's is not drawn.
    pub(super) fn preview(&mut self, stream: &Stream<'_>) {
        if stream.parent_tool_use_id.is_some() {
            return;
        }
        let named = stream.api_message_id.as_deref();
        let started = stream.event.message.as_ref().map(|message| message.id.as_ref());
        let newest = || self.previews.messages.back().map(|message| Cow::Owned(message.id.clone()));
        let Some(message) = named.or(started).map(Cow::Borrowed).or_else(newest) else { return };
        let message = message.as_ref();
        if message.len() > FOREIGN_ID_BYTES_MAX {
            return;
        }
        match stream.event.kind.as_ref() {
            "message_start" => {
                self.drop_previews(Some(message));
                self.know_message(message);
            }
            "content_block_start" => self.start_block(message, stream),
            "content_block_delta" => self.extend_block(message, stream),
            "message_stop" | "message_delta" => self.abandon_blocks(message, stream),
            _ => {}
        }
    }

    fn know_message(&mut self, message: &str) {
        for id in self.previews.message_or_new(message) {
            self.remove(id);
        }
    }

    fn start_block(&mut self, message: &str, stream: &Stream<'_>) {
        let Some(index) = stream.event.index else { return };
        let raw = stream.event.content_block;
        if raw.is_none() {
            return;
        }
        self.know_message(message);
        let (blocks, bytes) = (self.previews.blocks, self.previews.bytes);
        let Some(known) = self.previews.message(message) else { return };
        if known.open.contains_key(&index) || index < known.sealed || index >= known.abandoned_from {
            return;
        }
        let body = match Block::read(raw) {
            Block::Text { text } => ItemBody::Text { text, live: true, aborted: false },
            Block::Thinking { thinking } => ItemBody::Thinking { text: thinking, live: true },
            Block::ToolUse { id, .. } if self.tools.contains_key(&id) => return,
            Block::ToolUse { id, name, .. } => {
                ItemBody::Tool(ToolCall::new(id, name, ToolInput::Partial(String::new())))
            }
            Block::RedactedThinking | Block::ToolResult { .. } | Block::Image | Block::Other(_) => return,
        };
        let begun = raw.as_str().len();
        if blocks >= PREVIEW_BLOCKS_MAX || bytes + begun > PREVIEW_BYTES_MAX {
            return;
        }
        let item = self.push_preview(body);
        if let Some(known) = self.previews.message(message) {
            known.open.insert(index, Open { item, bytes: begun });
            self.previews.blocks += 1;
            self.previews.bytes += begun;
        }
    }

    fn extend_block(&mut self, message: &str, stream: &Stream<'_>) {
        let (Some(index), Some(delta)) = (stream.event.index, &stream.event.delta) else { return };
        let total = self.previews.bytes;
        let Some(open) = self.previews.message(message).and_then(|known| known.open.get_mut(&index)) else {
            return;
        };
        let pieces = [&delta.text, &delta.thinking, &delta.partial_json];
        let bytes: usize = pieces.into_iter().flatten().map(|piece| piece.len()).sum();
        if total + bytes > PREVIEW_BYTES_MAX {
            return;
        }
        open.bytes += bytes;
        let item = open.item;
        self.previews.bytes += bytes;
        self.update(item, |body| extend(body, delta));
    }

    fn abandon_blocks(&mut self, message: &str, stream: &Stream<'_>) {
        let Some(from) = stream.abandoned_blocks.from_block_index else { return };
        let Some(known) = self.previews.message(message) else { return };
        known.abandoned_from = from;
        let dead = known.open.split_off(&from);
        for id in self.previews.close(dead.into_values()) {
            self.remove(id);
        }
    }

    /// Drops every preview, but those of the message `keep`.
    pub(super) fn drop_previews(&mut self, keep: Option<&str>) {
        for id in self.previews.take_open(keep) {
            self.remove(id);
        }
    }

    /// Nothing that streamed before this event goes on.
    pub(super) fn end_streams(&mut self, seq: u64) {
        self.live_floor = seq;
        self.drop_previews(None);
    }

    /// The preview that the next durable block of `message` seals, if it fits `body`.
    pub(super) fn sealed_preview(&mut self, message: &str, body: &ItemBody) -> Option<ItemId> {
        self.know_sealed(message);
        let items = &self.items;
        self.previews
            .seal_next(message, |id| items.get(&id).is_some_and(|slot| same_block(&slot.item.body, body)))
    }

    /// The next durable block of `message` is empty text: its preview goes.
    pub(super) fn skip_preview(&mut self, message: &str) {
        self.know_sealed(message);
        let items = &self.items;
        let empty = |id: ItemId| {
            items
                .get(&id)
                .is_some_and(|slot| matches!(&slot.item.body, ItemBody::Text { text, .. } if text.is_empty()))
        };
        if let Some(id) = self.previews.seal_next(message, empty) {
            self.remove(id);
        }
    }

    fn know_sealed(&mut self, message: &str) {
        if message.len() <= FOREIGN_ID_BYTES_MAX {
            self.know_message(message);
        }
    }

    /// Takes the previews out, to put them behind another fold of the same log.
    pub(in crate::session) fn carry_previews(&mut self) -> Carried {
        let previews = std::mem::take(&mut self.previews);
        let open = previews.messages.iter().flat_map(|message| message.open.values());
        let bodies = open.filter_map(|open| Some((open.item, self.get(open.item)?.body.clone()))).collect();
        Carried { previews, bodies }
    }

    /// Puts carried previews behind everything.
    pub(in crate::session) fn restore_previews(&mut self, carried: Carried) {
        self.drop_previews(None);
        self.previews = carried.previews;
        for (before, body) in carried.bodies {
            let now = self.push_preview(body);
            let open = self.previews.messages.iter_mut().flat_map(|message| message.open.values_mut());
            for open in open.filter(|open| open.item == before) {
                open.item = now;
            }
        }
    }
}

fn extend(body: &mut ItemBody, delta: &Delta<'_>) -> bool {
    let (target, piece) = match body {
        ItemBody::Text { text, .. } => (text, &delta.text),
        ItemBody::Thinking { text, .. } => (text, &delta.thinking),
        ItemBody::Tool(ToolCall { input: ToolInput::Partial(text), .. }) => (text, &delta.partial_json),
        ItemBody::Tool(_) | ItemBody::Prompt(_) | ItemBody::Notice(_) | ItemBody::TurnEnd(_) => return false,
    };
    let Some(piece) = piece.as_deref().filter(|piece| !piece.is_empty()) else { return false };
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
