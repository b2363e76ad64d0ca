//! `assistant` lines. Agents write one line per finished block; hosted services write cumulative arrays, and a line can
//! come again. Both are merged by `message.id` and the identity of the block.

use super::facts::set;
use super::fold::notice;
use super::merges::Made;
use super::{ItemBody, ItemId, Notice, NoticeLevel, ToolCall, ToolInput, Transcript};
use crate::json::{JsonRef, RawJson};
use crate::limits::{MERGED_BLOCKS_MAX, RETRACT_ITEMS_MAX};
use crate::wire::agent::{Assistant, Block};

impl Transcript {
    pub(super) fn assistant(&mut self, seq: u64, line: &Assistant<'_>) {
        for uuid in &line.supersedes {
            self.retract(uuid);
        }
        if line.is_virtual {
            return;
        }
        for uuid in &line.user_message_uuids {
            self.start_prompt(seq, uuid);
        }
        if line.parent_tool_use_id.is_none() {
            self.start_unconfirmed(seq);
            self.drop_previews(Some(&line.message.id));
        }
        let blocks = line.message.content.blocks();
        let mut made = self.merges.take(&line.message.id);
        let mut place = self.first_place(line, &blocks, &made);
        for block in blocks {
            let known = made.get(place).copied();
            if known.is_some_and(|known| self.continues(known, &block)) {
                if let Some(id) = known.flatten() {
                    self.replace(id, block, line.aborted);
                }
                place += 1;
                continue;
            }
            let thought = matches!(block, Block::Thinking { .. } | Block::RedactedThinking);
            let id = self.commit(seq, line, block);
            if let Some(id) = id.filter(|_| thought) {
                self.took(id, line.thinking_duration_ms.map(super::turn::whole));
            }
            made.push(id);
            place = made.len();
            if let (Some(uuid), Some(id)) = (&line.uuid, id) {
                self.lines.entry(uuid.clone().into_owned()).or_default().push(id);
            }
        }
        self.merges.put(&line.message.id, made);
    }

    /// Where the line's first block belongs among those of its message: at the start when it repeats them all, at the
    /// last when it is that one grown, else behind them.
    fn first_place(&self, line: &Assistant<'_>, blocks: &[Block<'_>], made: &Made) -> usize {
        let Some(first) = blocks.first() else { return made.len() };
        let again = line.uuid.as_deref().and_then(|uuid| self.lines.get(uuid)).and_then(|ids| ids.first());
        if let Some(place) = again.and_then(|id| place_of(made, *id)) {
            return place;
        }
        let at = |place: usize| made.get(place).is_some_and(|known| self.continues(*known, first));
        if blocks.len() > 1 && at(0) {
            return 0;
        }
        match made.len().checked_sub(1) {
            Some(last) if made[last].is_some() && at(last) && !self.same(made[last], first) => last,
            Some(_) | None => made.len(),
        }
    }

    /// Whether `block` is the block that became `known`, as it was or grown.
    fn continues(&self, known: Option<ItemId>, block: &Block<'_>) -> bool {
        let Some(id) = known else { return matches!(block, Block::Text { text } if text.is_empty()) };
        match (self.get(id).map(|item| &item.body), block) {
            (Some(ItemBody::Text { text: old, .. }), Block::Text { text }) => {
                !old.trim().is_empty() && text.starts_with(old.as_str())
            }
            (Some(ItemBody::Thinking { text: old, .. }), Block::Thinking { thinking }) => {
                thinking.starts_with(old.as_str())
            }
            (Some(ItemBody::Thinking { text: old, .. }), Block::RedactedThinking) => old.is_empty(),
            (Some(ItemBody::Tool(call)), Block::ToolUse { id, .. }) => call.tool_use_id == *id,
            (Some(ItemBody::Notice(old)), Block::Text { text }) => old.text == *text,
            _ => false,
        }
    }

    /// Whether `block` says what its item says already: on a line of its own it is another block.
    fn same(&self, known: Option<ItemId>, block: &Block<'_>) -> bool {
        match (known.and_then(|id| self.get(id)).map(|item| &item.body), block) {
            (Some(ItemBody::Text { text: old, .. }), Block::Text { text }) => old == text,
            (Some(ItemBody::Thinking { text: old, .. }), Block::Thinking { thinking }) => old == thinking,
            (Some(ItemBody::Tool(_)), _) => false,
            _ => true,
        }
    }

    /// Puts the newer form of a block in its place.
    fn replace(&mut self, id: ItemId, block: Block<'_>, cut: bool) {
        self.update(id, |body| match (body, block) {
            (ItemBody::Text { text, aborted, .. }, Block::Text { text: newer }) => {
                set(text, newer) | set(aborted, cut)
            }
            (ItemBody::Thinking { text, .. }, Block::Thinking { thinking }) => set(text, thinking),
            (ItemBody::Tool(call), Block::ToolUse { input, .. }) => set(&mut call.input, whole(input)),
            _ => false,
        });
    }

    /// Makes a finished block durable. Returns its item, if it shows anything of its own.
    fn commit(&mut self, seq: u64, line: &Assistant<'_>, block: Block<'_>) -> Option<ItemId> {
        let body = match block {
            Block::Text { text } if text.is_empty() => {
                if line.parent_tool_use_id.is_none() {
                    self.skip_preview(&line.message.id);
                }
                return None;
            }
            Block::Text { text } if line.error.is_some() => {
                ItemBody::Notice(Notice { level: NoticeLevel::Error, text })
            }
            Block::Text { text } => ItemBody::Text { text, live: false, aborted: line.aborted },
            Block::Thinking { thinking } => ItemBody::Thinking { text: thinking, live: false },
            Block::RedactedThinking => ItemBody::Thinking { text: String::new(), live: false },
            Block::ToolUse { id, input, .. } if self.tools.contains_key(&id) => {
                let known = self.tools.get(&id).copied()?;
                self.update_tool(known, |call| set(&mut call.input, whole(input)));
                return Some(known);
            }
            Block::ToolUse { id, name, input } => ItemBody::Tool(ToolCall::new(id, name, whole(input))),
            Block::Image => notice(NoticeLevel::Info, "An image."),
            Block::ToolResult { tool_use_id, content, is_error } => {
                self.server_tool_result(&tool_use_id, content, is_error);
                return None;
            }
            Block::Other(kind) => notice(NoticeLevel::Info, &format!("A block of type “{kind}”.")),
        };
        Some(self.place_block(seq, line, body))
    }

    /// Puts a finished block in the place of its preview, or behind everything durable.
    fn place_block(&mut self, seq: u64, line: &Assistant<'_>, body: ItemBody) -> ItemId {
        let parent = line.parent_tool_use_id.as_deref();
        let call = if let ItemBody::Tool(call) = &body { Some(call.tool_use_id.clone()) } else { None };
        let preview = if parent.is_none() { self.sealed_preview(&line.message.id, &body) } else { None };
        let id = match preview {
            Some(id) => {
                self.seal(id, seq, parent, body);
                id
            }
            None => self.push(seq, parent, body),
        };
        if let Some(call) = call {
            self.tools.insert(call, id);
            self.open_tools.insert(id);
        }
        id
    }

    /// Takes back what a line made.
    pub(super) fn retract(&mut self, uuid: &str) {
        for id in self.lines.remove(uuid).unwrap_or_default() {
            self.open_tools.remove(&id);
            self.progressing.remove(&id);
            if let Some(call) = self.tool(id).map(|call| call.tool_use_id.clone()) {
                self.tools.remove(&call);
            }
            let behind = self.index_of(id).map_or(0, |index| self.order.len() - index);
            if behind <= RETRACT_ITEMS_MAX {
                self.remove(id);
            } else {
                self.update(id, |body| {
                    set(body, notice(NoticeLevel::Info, "The agent took back what stood here."))
                });
            }
        }
    }
}

fn whole(input: JsonRef<'_>) -> ToolInput {
    ToolInput::Whole(input.to_raw().unwrap_or_else(RawJson::null))
}

/// Where that item stands among the newest blocks of its message.
fn place_of(made: &Made, id: ItemId) -> Option<usize> {
    let back = made.iter().rev().take(MERGED_BLOCKS_MAX).position(|made| *made == Some(id))?;
    made.len().checked_sub(back + 1)
}
