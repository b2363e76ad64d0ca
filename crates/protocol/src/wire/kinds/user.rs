//! `user`: prompts from clients, and from the agent replays, tool results and markers (PROTOCOL 2).

use super::block::Content;
use super::macros::{record, words};
use super::value::{Any, Field, Flag, List, Text};

record! {
    /// A `user` line (PROTOCOL 2.1 and 2.2, captured).
    pub struct User ["type" = "user"] {
        /// What was said. A line without it ends the real agent.
        message: UserMessage,
        /// The line's own id, and the prompt's idempotency key; a replay repeats it.
        uuid: Text,
        /// The agent's session; `""` before a host knows it.
        session_id: Text,
        /// The call of the sub-agent it belongs to, `null` on the main thread.
        parent_tool_use_id: Text,
        /// ISO 8601, for display; absent on some replays.
        timestamp: Text,
        /// When the agent may take it up.
        priority: Field<Priority>,
        /// `false` adds to the transcript without a turn.
        should_query as "shouldQuery": Flag,
        /// Repeats a prompt, or wraps what a local command said.
        is_replay as "isReplay": Flag,
        /// The agent wrote it itself.
        is_synthetic as "isSynthetic": Flag,
        /// Who said it (typed).
        origin: Field<Origin>,
        /// A composer made it (typed).
        client_composed: Flag,
        /// What was pasted into it (typed).
        pasted_content: Any,
        /// Pastes shown in place (typed).
        inline_pastes: Any,
        /// Files beside it (typed; also sent by the hosted web client).
        file_attachments: Any,
        /// A tool's structured output, or a plain string on failure; see [`Outcome`](super::tools::Outcome).
        tool_use_result: Any,
        /// How each result came about (captured, in no type file).
        tool_result_meta: List<ToolResultMeta>,
        /// The sub-agent, by its task.
        agent_id: Text,
        /// Its kind.
        subagent_type: Text,
        /// What it was asked to do, in short.
        task_description: Text,
        /// The refused message that a synthetic continuation replaces.
        refused_message_id: Text,
    }
}

record! {
    /// The `message` of a `user` line (PROTOCOL 2.1, captured).
    pub struct UserMessage [] {
        /// `user`; anything else ends the real agent.
        role: String,
        /// What was said.
        content: Content,
    }
}

record! {
    /// Where a line comes from (PROTOCOL 2.1, typed; `task-notification` captured on results).
    pub struct Origin [] {
        /// Who.
        kind: Field<OriginKind>,
        /// The program that made it.
        producer: Text,
        /// The run of the task.
        run_id as "runId": Text,
    }
}

record! {
    /// How a tool result came about: the reliable way to tell "denied" from "failed" (PROTOCOL 2.2, captured).
    pub struct ToolResultMeta [] {
        /// The `tool_use`.
        id: String,
        /// Set when the tool did not run.
        non_execution_kind: Field<NonExecution>,
        /// Set when somebody, or a rule, decided.
        permission_decision: Field<PermissionDecision>,
    }
}

record! {
    /// What was decided about a tool call (PROTOCOL 2.2, captured).
    pub struct PermissionDecision [] {
        /// Which way.
        decision: Field<Verdict>,
        /// By whom.
        source: Field<DecisionSource>,
        /// Why it was asked at all.
        reason_type: Text,
    }
}

words! {
    /// When a prompt may be taken up (PROTOCOL 2.1 and 9.1).
    pub enum Priority {
        /// Aborts what streams.
        Now = "now",
        /// Folds into the running turn.
        Next = "next",
        /// Waits for a turn of its own.
        Later = "later",
    }
}

words! {
    /// Who said something (PROTOCOL 2.1, typed).
    pub enum OriginKind {
        /// A person.
        Human = "human",
        /// A channel.
        Channel = "channel",
        /// Another agent.
        Peer = "peer",
        /// A task that ended.
        TaskNotification = "task-notification",
        /// A coordinator of agents.
        Coordinator = "coordinator",
        /// Unknown to the agent.
        Unclassified = "unclassified",
        /// An observer.
        Observer = "observer",
        /// The agent goes on by itself.
        AutoContinuation = "auto-continuation",
        /// What an observer does.
        ObserverActivity = "observer-activity",
    }
}

words! {
    /// Why a tool did not run (PROTOCOL 2.2, captured).
    pub enum NonExecution {
        /// A permission decision.
        PermissionRule = "permission-rule",
        /// A person stopped it.
        UserRejected = "user-rejected",
    }
}

words! {
    /// Which way a decision went (PROTOCOL 2.2, captured).
    pub enum Verdict {
        /// It may run.
        Accept = "accept",
        /// It may not.
        Reject = "reject",
    }
}

words! {
    /// Who decided (PROTOCOL 2.2, captured).
    pub enum DecisionSource {
        /// A person, once.
        UserTemporary = "user_temporary",
        /// A person, for good.
        UserPermanent = "user_permanent",
        /// A person said no.
        UserReject = "user_reject",
        /// The settings.
        Config = "config",
    }
}
