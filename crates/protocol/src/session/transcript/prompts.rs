//! `user` lines that are no tool results, and what becomes of a prompt: queued, folded into a running turn, replayed
//! (with the text of others in front of its own), cancelled.

use super::facts::set;
use super::fold::{first_line, notice};
use super::{ItemBody, NoticeLevel, Prompt, PromptState, Transcript};
use crate::limits::QUEUE_PROMPTS_MAX;
use crate::wire::agent::{Block, Lifecycle, User};
use crate::wire::prompt::Priority;

const INTERRUPTED: [&str; 2] =
    ["[Request interrupted by user]", "[Request interrupted by user for tool use]"];

/// Begins the key of a prompt that was sent without a uuid.
const UNNAMED: &str = "seq ";

fn unnamed(seq: u64) -> String {
    format!("{UNNAMED}{seq}")
}

impl Transcript {
    pub(super) fn user(&mut self, seq: u64, user: User) {
        if user.is_virtual {
            return;
        }
        let blocks = user.message.content.blocks();
        if blocks.iter().any(|block| matches!(block, Block::ToolResult { .. })) {
            return self.tool_results(seq, blocks, user);
        }
        let text = user.message.content.text();
        let foreign = user.origin.as_ref().and_then(|origin| origin.kind.as_deref());
        if INTERRUPTED.contains(&text.trim()) {
            self.push(seq, user.parent_tool_use_id.as_deref(), notice(NoticeLevel::Info, "Interrupted."));
        } else if user.is_synthetic || foreign.is_some_and(|kind| kind != "human") {
            self.notice(seq, NoticeLevel::Info, &format!("Added by the agent: {}", first_line(&text)));
        } else if user.parent_tool_use_id.is_some() {
            // The call that started the sub-agent shows its prompt already.
        } else if user.is_replay {
            self.replay(seq, &user, &blocks, text);
        } else {
            let uuid = user.uuid.unwrap_or_else(|| unnamed(seq));
            let (attachments, blocks) = (attachments(&blocks), user.message.content.beyond_text());
            let priority = user.priority.as_deref().and_then(Priority::of);
            self.enqueue(
                seq,
                Prompt { uuid, text, attachments, blocks, priority, state: PromptState::Stored },
            );
        }
    }

    fn enqueue(&mut self, seq: u64, prompt: Prompt) {
        if self.knows_prompt(&prompt.uuid) {
            return;
        }
        if self.queue.len() == QUEUE_PROMPTS_MAX
            && let Some(oldest) = self.queue.first().map(|prompt| prompt.uuid.clone())
        {
            self.place_prompt(seq, &oldest);
        }
        self.queued.insert(prompt.uuid.clone(), seq);
        self.queue.push(prompt);
        self.queue_changed();
    }

    /// The agent repeats a prompt: it has it. The text of a known one stays, because merged prompts repeat merged.
    fn replay(&mut self, seq: u64, user: &User, blocks: &[Block], text: String) {
        let uuid = user.uuid.clone().unwrap_or_else(|| unnamed(seq));
        if self.knows_prompt(&uuid) {
            self.receipts = true;
            self.start_prompt(seq, &uuid);
        } else if let Some(sent) = self.sent_unnamed(&text) {
            self.receipts = true;
            self.start_prompt(seq, &sent);
            if let Some(id) = self.prompts.get(&sent).copied() {
                self.prompts.insert(uuid, id);
            }
        } else if let Some(output) = text.trim().strip_prefix("<local-command-stdout>") {
            let output = output.strip_suffix("</local-command-stdout>").unwrap_or(output).trim();
            if !output.is_empty() {
                self.notice(seq, NoticeLevel::Info, output);
            }
        } else if !text.trim_start().starts_with("<command-name>") {
            self.receipts = true;
            let text = self.own_text(blocks).unwrap_or(text);
            let attachments = attachments(blocks);
            let blocks = user.message.content.beyond_text();
            let (priority, state) = (None, PromptState::Running);
            let prompt = Prompt { uuid: uuid.clone(), text, attachments, blocks, priority, state };
            let id = self.push(seq, None, ItemBody::Prompt(prompt));
            self.prompts.insert(uuid, id);
            self.running.insert(id);
            self.turn_begins();
            self.prompted = true;
        }
    }

    /// The oldest prompt that was sent without a uuid and says just that: the agent gave it one.
    fn sent_unnamed(&self, text: &str) -> Option<String> {
        let sent = self.queue.iter().find(|prompt| prompt.uuid.starts_with(UNNAMED) && prompt.text == text);
        sent.map(|prompt| prompt.uuid.clone())
    }

    /// The last text of a merged replay, when all texts before it are those of prompts that run already.
    fn own_text(&self, blocks: &[Block]) -> Option<String> {
        let texts: Vec<&str> = blocks
            .iter()
            .filter_map(|block| if let Block::Text { text } = block { Some(text.as_str()) } else { None })
            .collect();
        let (own, others) = texts.split_last().filter(|(_, others)| !others.is_empty())?;
        let newest = self.running.iter().rev().take(others.len());
        let running: Vec<&str> = newest
            .filter_map(|id| prompt_of(&self.get(*id)?.body))
            .map(|prompt| prompt.text.trim())
            .collect();
        let repeated = running.len() == others.len()
            && running.iter().rev().zip(others).all(|(shown, repeated)| *shown == repeated.trim());
        repeated.then(|| (*own).to_owned())
    }

    /// Moves a prompt from the queue to the end of the transcript, as it is. Returns whether it was queued.
    fn place_prompt(&mut self, seq: u64, uuid: &str) -> bool {
        if self.queued.remove(uuid).is_none() {
            return false;
        }
        let Some(index) = self.queue.iter().position(|prompt| prompt.uuid == uuid) else { return false };
        let prompt = self.queue.remove(index);
        self.queue_changed();
        let id = self.push(seq, None, ItemBody::Prompt(prompt));
        self.prompts.insert(uuid.to_owned(), id);
        true
    }

    /// The agent works on that prompt from now on, unless it did already.
    pub(super) fn start_prompt(&mut self, seq: u64, uuid: &str) {
        self.place_prompt(seq, uuid);
        let Some(id) = self.prompts.get(uuid).copied() else { return };
        let mut started = false;
        self.update(id, |body| {
            started = waits(body) && set_prompt_state(body, PromptState::Running);
            started
        });
        if started {
            self.running.insert(id);
            self.prompted = true;
            self.turn_begins();
        }
    }

    /// An agent that gives no receipts for prompts (no replays, no lifecycle) answers the oldest one that waits.
    pub(super) fn start_unconfirmed(&mut self, seq: u64) {
        if self.receipts || self.prompted {
            return;
        }
        if let Some(uuid) = self.queue.first().map(|prompt| prompt.uuid.clone()) {
            self.start_prompt(seq, &uuid);
        }
    }

    fn turn_begins(&mut self) {
        self.working = true;
        self.edit_facts(|facts| set(&mut facts.suggestion, None));
    }

    pub(super) fn lifecycle(&mut self, seq: u64, lifecycle: &Lifecycle) {
        self.receipts = true;
        let uuid = lifecycle.command_uuid.as_str();
        match lifecycle.state.as_str() {
            "queued" => self.queued_state(uuid, PromptState::Delivered),
            "started" => {
                self.working = true;
                self.start_prompt(seq, uuid);
            }
            "completed" => {
                self.place_prompt(seq, uuid);
                self.prompt_state(uuid, PromptState::Answered);
            }
            "cancelled" => {
                self.place_prompt(seq, uuid);
                // After a turn that failed it says so too; that the turn failed stands at its end.
                if self.prompt(uuid).is_none_or(|prompt| prompt.state != PromptState::Answered) {
                    self.prompt_state(uuid, PromptState::Cancelled);
                }
            }
            _ => {}
        }
    }

    /// Every prompt up to `seq` was written to the agent's stdin.
    pub fn set_delivered(&mut self, seq: u64) {
        let queued = &self.queued;
        let reached = |prompt: &&mut Prompt| {
            prompt.state == PromptState::Stored && queued.get(&prompt.uuid).is_some_and(|at| *at <= seq)
        };
        let mut moved = false;
        for prompt in self.queue.iter_mut().filter(reached) {
            prompt.state = PromptState::Delivered;
            moved = true;
        }
        if moved {
            self.queue_changed();
        }
    }

    /// The bridge cannot say whether the agent got that prompt.
    pub(super) fn delivery_unknown(&mut self, seq: u64, uuid: &str) {
        self.place_prompt(seq, uuid);
        self.prompt_state(uuid, PromptState::Unknown);
    }

    fn prompt(&self, uuid: &str) -> Option<&Prompt> {
        prompt_of(&self.get(*self.prompts.get(uuid)?)?.body)
    }

    fn queued_state(&mut self, uuid: &str, state: PromptState) {
        if !self.queued.contains_key(uuid) {
            return;
        }
        if let Some(prompt) = self.queue.iter_mut().find(|prompt| prompt.uuid == uuid) {
            prompt.state = state;
            self.queue_changed();
        }
    }

    fn prompt_state(&mut self, uuid: &str, state: PromptState) {
        let Some(id) = self.prompts.get(uuid).copied() else { return };
        self.running.remove(&id);
        self.update(id, |body| set_prompt_state(body, state));
    }

    /// Gives every prompt of the turn that ended its state.
    pub(super) fn settle_prompts(&mut self, state: PromptState) {
        self.prompted = false;
        for id in std::mem::take(&mut self.running) {
            self.update(id, |body| set_prompt_state(body, state));
        }
    }
}

fn attachments(blocks: &[Block]) -> usize {
    blocks.iter().filter(|block| !matches!(block, Block::Text { .. })).count()
}

fn prompt_of(body: &ItemBody) -> Option<&Prompt> {
    if let ItemBody::Prompt(prompt) = body { Some(prompt) } else { None }
}

fn waits(body: &ItemBody) -> bool {
    matches!(
        body,
        ItemBody::Prompt(Prompt {
            state: PromptState::Stored | PromptState::Delivered | PromptState::Unknown,
            ..
        })
    )
}

fn set_prompt_state(body: &mut ItemBody, state: PromptState) -> bool {
    let ItemBody::Prompt(prompt) = body else { return false };
    set(&mut prompt.state, state)
}
