//! What tools give: the `tool_use_result` beside a `tool_result` block (PROTOCOL 10).

use std::fmt;

use super::input::{Finding, Question, Todo, TodoStatus, family};
use crate::json::RawJson;
use crate::wire::kinds::assistant::Usage;
use crate::wire::kinds::block::{Block, Content};
use crate::wire::kinds::macros::{named, record, shown, tagged};
use crate::wire::kinds::shape::{Misfit, Piece, Shape};
use crate::wire::kinds::value::{Any, Count, Field, Flag, List, Map, Number, Text};

/// What came of a tool call.
#[derive(Clone, Debug, PartialEq)]
pub enum Outcome {
    /// A plain string: what went wrong, or all that a tool of an MCP server said (PROTOCOL 2.2, captured).
    Text(String),
    /// The call goes on without the conversation (PROTOCOL 2.2, typed).
    Detached(Box<Detached>),
    /// What the tool gave.
    Output(ToolOutput),
}

impl Outcome {
    /// Reads the `tool_use_result` of the tool `name`. What is unknown or does not fit is kept in
    /// [`ToolOutput::Other`].
    #[must_use]
    pub fn parse(name: &str, raw: &RawJson) -> Self {
        if let Ok(text) = String::parse(raw) {
            return Self::Text(text);
        }
        match Detached::parse(raw) {
            Ok(detached) => Self::Detached(Box::new(detached)),
            Err(_) => Self::Output(ToolOutput::parse(name, raw)),
        }
    }

    /// The value as JSON: what was read, in the order it was read.
    #[must_use]
    pub fn to_json(&self) -> RawJson {
        match self {
            Self::Text(text) => text.to_json(),
            Self::Detached(detached) => detached.to_json(),
            Self::Output(output) => output.to_json(),
        }
    }
}

record! {
    /// The call goes on without the conversation (PROTOCOL 2.2, typed).
    pub struct Detached [] {
        /// Always `true`.
        detached_tool_call as "detachedToolCall": bool,
    }
}

named! {
    /// The structured output of a tool, by the tool's name. A tool without a type is `Other`.
    pub enum ToolOutput by family {
        /// What a command wrote.
        "Bash" => Bash(BashOutput),
        /// A file.
        "Read" => Read(ReadOutput),
        /// What was written.
        "Write" => Write(WriteOutput),
        /// What was replaced.
        "Edit" | "MultiEdit" => Edit(EditOutput),
        /// What became of a notebook.
        "NotebookEdit" => NotebookEdit(NotebookEditOutput),
        /// Files.
        "Glob" => Glob(GlobOutput),
        /// Lines.
        "Grep" => Grep(GrepOutput),
        /// A page.
        "WebFetch" => WebFetch(WebFetchOutput),
        /// Pages.
        "WebSearch" => WebSearch(WebSearchOutput),
        /// The list of what is to be done.
        "TodoWrite" => TodoWrite(TodoWriteOutput),
        /// Something to be done.
        "TaskCreate" => TaskCreate(TaskCreateOutput),
        /// What changed about it.
        "TaskUpdate" => TaskUpdate(TaskUpdateOutput),
        /// Something to be done.
        "TaskGet" => TaskGet(TaskGetOutput),
        /// All that is to be done.
        "TaskList" => TaskList(TaskListOutput),
        /// What a sub-agent did.
        "Agent" | "Task" => Agent(AgentOutput),
        /// A task in the background.
        "TaskOutput" | "TaskStop" | "KillShell" => BackgroundTask(TaskStopOutput),
        /// What a person said.
        "AskUserQuestion" => AskUserQuestion(AskUserQuestionOutput),
        /// The plan mode is on.
        "EnterPlanMode" => EnterPlanMode(EnterPlanModeOutput),
        /// What became of a plan.
        "ExitPlanMode" => ExitPlanMode(ExitPlanModeOutput),
        /// What is waited for.
        "Monitor" => Monitor(MonitorOutput),
        /// What is done at a time.
        "CronCreate" | "CronDelete" => Cron(CronJob),
        /// All that is done at a time.
        "CronList" => CronList(CronListOutput),
        /// What a workflow did.
        "Workflow" => Workflow(WorkflowOutput),
        /// Where it works now.
        "EnterWorktree" | "ExitWorktree" => Worktree(WorktreeOutput),
        /// What a review found.
        "ReportFindings" => ReportFindings(ReportFindingsOutput),
        /// When it will be woken.
        "ScheduleWakeup" => ScheduleWakeup(ScheduleWakeupOutput),
        /// Whether a person was told.
        "PushNotification" => PushNotification(PushNotificationOutput),
        /// What was sent to the session from elsewhere.
        "ReadNotifications" => ReadNotifications(ReadNotificationsOutput),
        /// What came of something started from elsewhere.
        "RemoteTrigger" => RemoteTrigger(RemoteTriggerOutput),
        /// What MCP servers have.
        "ListMcpResources" | "ListMcpResourcesTool" => McpResources(Vec<McpResource>),
        /// Their tools.
        "RefreshMcpTools" => McpRefreshed(Vec<McpRefreshed>),
        /// What one of them has, read.
        "ReadMcpResource" | "ReadMcpResourceTool" | "ReadMcpResourceDir" => McpContents(McpContents),
        /// What a tool of an MCP server gave.
        "mcp__" => Mcp(McpOutput),
        /// A tool that has a name in PROTOCOL 10, and fields that no public source describes.
        "Skill" | "ToolSearch" | "SendMessage" | "ListAgents" => Open(OpenOutput),
    }
}

record! {
    /// Any fields (PROTOCOL 10): all of them are in `extra`.
    pub struct OpenOutput [] {}
}

/// What a tool of an MCP server gave (PROTOCOL 10, captured). A plain string is an [`Outcome::Text`].
#[derive(Clone, PartialEq)]
pub enum McpOutput {
    /// Blocks.
    Blocks(Vec<Block>),
    /// Blocks with a structure beside them.
    Result(Box<McpResult>),
}

impl Piece for McpOutput {
    fn write(&self, out: &mut String) {
        match self {
            Self::Blocks(blocks) => blocks.write(out),
            Self::Result(result) => result.write(out),
        }
    }

    fn is_typed(&self) -> bool {
        match self {
            Self::Blocks(blocks) => blocks.is_typed(),
            Self::Result(result) => result.is_typed(),
        }
    }

    fn show(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Blocks(blocks) => blocks.show(f),
            Self::Result(result) => result.show(f),
        }
    }
}

impl Shape for McpOutput {
    fn read(text: &str) -> Result<Self, Misfit> {
        match text.as_bytes().first() {
            Some(b'[') => Vec::read(text).map(Self::Blocks),
            _ => McpResult::read(text).map(|result| Self::Result(Box::new(result))),
        }
    }
}

shown!(McpOutput);

record! {
    /// What a tool of an MCP server gave, with its structure (PROTOCOL 10, captured).
    pub struct McpResult [] {
        /// For a model.
        content: Field<Content>,
        /// For a program, as the server describes it.
        structured_content as "structuredContent": Any,
    }
}

record! {
    /// Something an MCP server has (PROTOCOL 10, typed).
    pub struct McpResource [] {
        /// Where.
        uri: Text,
        /// Its name.
        name: Text,
        /// Its media type; `inode/directory` for one that holds others.
        mime_type as "mimeType": Text,
        /// What it is.
        description: Text,
        /// Whose.
        server: Text,
    }
}

record! {
    /// What became of the tools of an MCP server (PROTOCOL 10, typed).
    pub struct McpRefreshed [] {
        /// Which server.
        server: Text,
        /// `refreshed`, `error` or `not_connected`.
        status: Text,
        /// So many tools now.
        tool_count as "toolCount": Count,
        /// New ones.
        added: List<String>,
        /// Gone ones.
        removed: List<String>,
        /// What went wrong.
        error: Text,
    }
}

record! {
    /// What an MCP server has, read (PROTOCOL 10, typed).
    pub struct McpContents [] {
        /// Of a resource: its parts.
        contents: List<McpPart>,
        /// Of a directory: what is in it.
        resources: List<McpResource>,
        /// What went wrong.
        error: Text,
    }
}

record! {
    /// A part of what an MCP server has (PROTOCOL 10, typed).
    pub struct McpPart [] {
        /// Where.
        uri: Text,
        /// Its media type.
        mime_type as "mimeType": Text,
        /// What it says.
        text: Text,
        /// Or where its bytes were put.
        blob_saved_to as "blobSavedTo": Text,
        /// Or they themselves, as base64 (answers to `mcp_read_resource`).
        blob: Text,
        /// What the server says about it.
        meta as "_meta": Any,
    }
}

record! {
    /// When it will be woken (PROTOCOL 10, typed).
    pub struct ScheduleWakeupOutput [] {
        /// Then, in ms since 1970.
        scheduled_for as "scheduledFor": Count,
        /// In so many s.
        clamped_delay_seconds as "clampedDelaySeconds": Count,
        /// Whether another time was asked for.
        was_clamped as "wasClamped": Flag,
        /// Whether it ended.
        stopped: Flag,
        /// So many that will not come.
        cancelled_wakeups as "cancelledWakeups": Count,
    }
}

record! {
    /// Whether a person was told (PROTOCOL 10, typed).
    pub struct PushNotificationOutput [] {
        /// What.
        message: Text,
        /// On a phone.
        push_sent as "pushSent": Flag,
        /// On this machine.
        local_sent as "localSent": Flag,
        /// `config_off`, `user_present` or `no_transport`.
        disabled_reason as "disabledReason": Text,
        /// When.
        sent_at as "sentAt": Text,
    }
}

record! {
    /// What was sent to the session from elsewhere (PROTOCOL 10, typed).
    pub struct ReadNotificationsOutput [] {
        /// It.
        notifications: List<ReceivedNotification>,
        /// So many are left.
        remaining: Count,
        /// When they were read.
        read_at: Text,
    }
}

record! {
    /// Something sent to the session from elsewhere (PROTOCOL 10, typed).
    pub struct ReceivedNotification [] {
        /// Its id.
        notification_id: Text,
        /// `github_webhook`, `trigger_fire`, `mcp_send_message`, ….
        origin: Text,
        /// When it was sent.
        queued_at: Text,
        /// What it says.
        content: Text,
        /// When it came.
        arrived_at: Text,
    }
}

record! {
    /// What came of something started from elsewhere (PROTOCOL 10, typed).
    pub struct RemoteTriggerOutput [] {
        /// HTTP status.
        status: Count,
        /// The answer, as JSON.
        json: Text,
        /// In a few words.
        summary: Text,
    }
}

record! {
    /// What a command wrote (PROTOCOL 10, captured).
    pub struct BashOutput [] {
        /// Both streams as they came, at most 30,000 characters.
        stdout: Text,
        /// Always `""` in recordings.
        stderr: Text,
        /// Whether it was stopped.
        interrupted: Flag,
        /// Whether it is an image.
        is_image as "isImage": Flag,
        /// Whether silence is fine.
        no_output_expected as "noOutputExpected": Flag,
        /// The task it became.
        background_task_id as "backgroundTaskId": Text,
        /// Whether a person made it one.
        backgrounded_by_user as "backgroundedByUser": Flag,
        /// It was stopped after this many ms.
        timed_out_after_ms as "timedOutAfterMs": Count,
        /// What its exit code means.
        return_code_interpretation as "returnCodeInterpretation": Text,
        /// Where all of it is.
        persisted_output_path as "persistedOutputPath": Text,
        /// Bytes of that.
        persisted_output_size as "persistedOutputSize": Count,
        /// What it did with git.
        git_operation as "gitOperation": Any,
    }
}

tagged! {
    /// A file (PROTOCOL 10, captured and typed).
    pub enum ReadOutput by "type" {
        /// As text.
        "text" => Text(ReadText),
        /// As an image.
        "image" => Image(ReadImage),
        /// As something else; told apart by its `type`.
        "notebook" | "pdf" | "parts" | "file_unchanged" => Document(ReadDocument),
    }
}

record! {
    /// A file as text (PROTOCOL 10, captured).
    pub struct ReadText ["type" = "text"] {
        /// It.
        file: TextFile,
    }
}

record! {
    /// A file as text (PROTOCOL 10, captured).
    pub struct TextFile [] {
        /// Where.
        file_path as "filePath": Text,
        /// What it says.
        content: Text,
        /// So many lines.
        num_lines as "numLines": Count,
        /// From this line on.
        start_line as "startLine": Count,
        /// Of so many.
        total_lines as "totalLines": Count,
        /// Whether tokens were the limit.
        truncated_by_token_cap as "truncatedByTokenCap": Flag,
    }
}

record! {
    /// A file as an image (PROTOCOL 10, captured).
    pub struct ReadImage ["type" = "image"] {
        /// It.
        file: ImageFile,
    }
}

record! {
    /// A file as an image (PROTOCOL 10, captured).
    pub struct ImageFile [] {
        /// Its bytes.
        base64: Text,
        /// Its media type.
        kind as "type": Text,
        /// Bytes before it was made smaller.
        original_size as "originalSize": Count,
        /// Its size in pixels.
        dimensions: Any,
    }
}

record! {
    /// A file as something else (PROTOCOL 10, typed).
    pub struct ReadDocument [] {
        /// What.
        kind as "type": String,
        /// It.
        file: Any,
    }
}

record! {
    /// What was written (PROTOCOL 10, captured).
    pub struct WriteOutput [] {
        /// `create` or `update`.
        kind as "type": Text,
        /// Where.
        file_path as "filePath": Text,
        /// All of it.
        content: Text,
        /// What changed.
        structured_patch as "structuredPatch": List<Hunk>,
        /// What was there; `null` for a new file.
        original_file as "originalFile": Text,
        /// Whether a person changed it first.
        user_modified as "userModified": Flag,
        /// The same as git sees it.
        git_diff as "gitDiff": Any,
    }
}

record! {
    /// What was replaced (PROTOCOL 10, captured).
    pub struct EditOutput [] {
        /// Where.
        file_path as "filePath": Text,
        /// This.
        old_string as "oldString": Text,
        /// By this.
        new_string as "newString": Text,
        /// What was there.
        original_file as "originalFile": Text,
        /// What changed.
        structured_patch as "structuredPatch": List<Hunk>,
        /// Whether a person changed it first.
        user_modified as "userModified": Flag,
        /// Everywhere.
        replace_all as "replaceAll": Flag,
        /// The same as git sees it.
        git_diff as "gitDiff": Any,
    }
}

record! {
    /// A piece of a difference (PROTOCOL 10, captured).
    pub struct Hunk [] {
        /// First line before.
        old_start as "oldStart": Number,
        /// Lines before.
        old_lines as "oldLines": Number,
        /// First line after.
        new_start as "newStart": Number,
        /// Lines after.
        new_lines as "newLines": Number,
        /// Each with a space, `-` or `+` in front.
        lines: Vec<String>,
    }
}

record! {
    /// What became of a notebook (PROTOCOL 10, captured).
    pub struct NotebookEditOutput [] {
        /// What the cell says now.
        new_source: Text,
        /// What it said.
        old_source: Text,
        /// The cell.
        cell_id: Text,
        /// `code` or `markdown`.
        cell_type: Text,
        /// Of the code.
        language: Text,
        /// `replace`, `insert` or `delete`.
        edit_mode: Text,
        /// What went wrong.
        error: Text,
        /// Where.
        notebook_path: Text,
        /// All that was there.
        original_file: Text,
        /// All that is there.
        updated_file: Text,
    }
}

record! {
    /// Files (PROTOCOL 10, captured from 2.1.37).
    pub struct GlobOutput [] {
        /// They.
        filenames: List<String>,
        /// So many.
        num_files as "numFiles": Count,
        /// How long it took, in ms.
        duration_ms as "durationMs": Count,
        /// Whether there are more.
        truncated: Flag,
        /// So many in all.
        total_matches as "totalMatches": Count,
    }
}

record! {
    /// Lines (PROTOCOL 10, captured from 2.1.37).
    pub struct GrepOutput [] {
        /// `content`, `files_with_matches` or `count`.
        mode: Text,
        /// So many files.
        num_files as "numFiles": Count,
        /// They.
        filenames: List<String>,
        /// The lines.
        content: Text,
        /// So many.
        num_lines as "numLines": Count,
        /// So many matches.
        num_matches as "numMatches": Count,
        /// No more than this.
        applied_limit as "appliedLimit": Count,
    }
}

record! {
    /// A page (PROTOCOL 10, typed).
    pub struct WebFetchOutput [] {
        /// Its size in bytes.
        bytes: Count,
        /// HTTP status.
        code: Count,
        /// The same in words.
        code_text as "codeText": Text,
        /// What it says.
        result: Text,
        /// How long it took, in ms.
        duration_ms as "durationMs": Count,
        /// Which.
        url: Text,
    }
}

record! {
    /// Pages (PROTOCOL 10, typed).
    pub struct WebSearchOutput [] {
        /// What was looked for.
        query: Text,
        /// Hits, and text between them.
        results: Any,
        /// How long it took, in s.
        duration_seconds as "durationSeconds": Count,
    }
}

record! {
    /// The list of what is to be done (PROTOCOL 10, captured from 2.1.37 and 2.1.197).
    pub struct TodoWriteOutput [] {
        /// Before.
        old_todos as "oldTodos": List<Todo>,
        /// Now.
        new_todos as "newTodos": List<Todo>,
    }
}

record! {
    /// Something to be done, just added (PROTOCOL 10, captured from 2.1.197).
    pub struct TaskCreateOutput [] {
        /// It.
        task: Field<PlannedTask>,
    }
}

record! {
    /// What changed about something to be done (PROTOCOL 10, captured from 2.1.197).
    pub struct TaskUpdateOutput [] {
        /// Whether it did.
        success: Flag,
        /// Which.
        task_id as "taskId": Text,
        /// What.
        updated_fields as "updatedFields": List<String>,
        /// Where it stands.
        status_change as "statusChange": Field<StatusChange>,
        /// What went wrong.
        error: Text,
    }
}

record! {
    /// From where to where (PROTOCOL 10, captured from 2.1.197).
    pub struct StatusChange [] {
        /// Before.
        from: Field<TodoStatus>,
        /// Now.
        to: Field<TodoStatus>,
    }
}

record! {
    /// Something to be done (PROTOCOL 10, captured from 2.1.197).
    pub struct TaskGetOutput [] {
        /// It; `null` when there is none.
        task: Field<PlannedTask>,
    }
}

record! {
    /// All that is to be done (PROTOCOL 10, captured from 2.1.197).
    pub struct TaskListOutput [] {
        /// It.
        tasks: List<PlannedTask>,
    }
}

record! {
    /// Something to be done (PROTOCOL 10, captured from 2.1.197).
    pub struct PlannedTask [] {
        /// Its id.
        id: Text,
        /// In a few words.
        subject: Text,
        /// What.
        description: Text,
        /// Where it stands.
        status: Field<TodoStatus>,
        /// Who does it.
        owner: Text,
        /// These wait for it.
        blocks: List<String>,
        /// It waits for these.
        blocked_by as "blockedBy": List<String>,
    }
}

record! {
    /// What a sub-agent did; told apart by its `status` (PROTOCOL 10, captured).
    pub struct AgentOutput [] {
        /// `completed`, `async_launched` or `remote_launched`.
        status: Text,
        /// The sub-agent.
        agent_id as "agentId": Text,
        /// Its kind.
        agent_type as "agentType": Text,
        /// What it said.
        content: Field<Content>,
        /// Calls it made.
        total_tool_use_count as "totalToolUseCount": Count,
        /// How long it took, in ms.
        total_duration_ms as "totalDurationMs": Count,
        /// Tokens it used.
        total_tokens as "totalTokens": Count,
        /// The same in detail.
        usage: Field<Usage>,
        /// What it was asked.
        prompt: Text,
        /// In a few words.
        description: Text,
        /// Where its output is.
        output_file as "outputFile": Text,
        /// Its model (captured).
        resolved_model as "resolvedModel": Text,
        /// Tools it used (captured).
        tools_used as "toolsUsed": List<String>,
        /// How often, by kind (captured).
        tool_stats as "toolStats": Field<Map<Number>>,
        /// Whether it can be asked more (captured).
        can_continue_agent as "canContinueAgent": Flag,
        /// The task elsewhere.
        task_id as "taskId": Text,
        /// Where to watch it.
        session_url as "sessionUrl": Text,
    }
}

record! {
    /// A task in the background (PROTOCOL 10, typed).
    pub struct TaskStopOutput [] {
        /// For a person.
        message: Text,
        /// The task.
        task_id: Text,
        /// What ran it.
        task_type: Text,
        /// The command.
        command: Text,
    }
}

record! {
    /// What a person said (PROTOCOL 10, captured).
    pub struct AskUserQuestionOutput [] {
        /// The questions.
        questions: List<Question>,
        /// By the full text of the question; a list where several were chosen so.
        answers: Field<Map<RawJson>>,
        /// More about them, by the question.
        annotations: Any,
        /// Gave up after this many ms.
        afk_timeout_ms as "afkTimeoutMs": Count,
    }
}

record! {
    /// The plan mode is on (PROTOCOL 10, captured).
    pub struct EnterPlanModeOutput [] {
        /// What the model is told.
        message: Text,
    }
}

record! {
    /// What became of a plan (PROTOCOL 10, captured).
    pub struct ExitPlanModeOutput [] {
        /// It; `null` when there was none.
        plan: Text,
        /// Whether a sub-agent made it.
        is_agent as "isAgent": Flag,
        /// Where it is kept.
        file_path as "filePath": Text,
        /// Whether a person changed it.
        plan_was_edited as "planWasEdited": Flag,
    }
}

record! {
    /// What is waited for (PROTOCOL 10, typed).
    pub struct MonitorOutput [] {
        /// The task.
        task_id as "taskId": Text,
        /// At most this long, in ms.
        timeout_ms as "timeoutMs": Count,
        /// Also after this session.
        persistent: Flag,
    }
}

record! {
    /// What is done at a time (PROTOCOL 10, typed).
    pub struct CronJob [] {
        /// Its id.
        id: Text,
        /// When.
        cron: Text,
        /// The same for a person.
        human_schedule as "humanSchedule": Text,
        /// What.
        prompt: Text,
        /// Again and again.
        recurring: Flag,
        /// Also after this session.
        durable: Flag,
        /// Next time, in ms since 1970.
        next_fire_at as "nextFireAt": Count,
    }
}

record! {
    /// All that is done at a time (PROTOCOL 10, typed).
    pub struct CronListOutput [] {
        /// It.
        jobs: List<CronJob>,
    }
}

record! {
    /// What a workflow did (PROTOCOL 10, typed).
    pub struct WorkflowOutput [] {
        /// `async_launched` or `remote_launched`.
        status: Text,
        /// The task.
        task_id as "taskId": Text,
        /// What runs it.
        task_type as "taskType": Text,
        /// Its name.
        workflow_name as "workflowName": Text,
        /// This run of it.
        run_id as "runId": Text,
        /// What came of it.
        summary: Text,
        /// Where it is.
        script_path as "scriptPath": Text,
        /// Where its transcripts are.
        transcript_dir as "transcriptDir": Text,
        /// Where to watch it.
        session_url as "sessionUrl": Text,
        /// What was odd.
        warning: Text,
        /// What went wrong.
        error: Text,
    }
}

record! {
    /// Where it works now (PROTOCOL 10, typed).
    pub struct WorktreeOutput [] {
        /// `keep` or `remove`, when it moved back.
        action: Text,
        /// The directory before.
        original_cwd as "originalCwd": Text,
        /// The worktree.
        worktree_path as "worktreePath": Text,
        /// Its branch.
        worktree_branch as "worktreeBranch": Text,
        /// Files whose changes were dropped.
        discarded_files as "discardedFiles": Count,
        /// Commits that were dropped.
        discarded_commits as "discardedCommits": Count,
        /// For a person.
        message: Text,
    }
}

record! {
    /// What a review found (PROTOCOL 10, typed).
    pub struct ReportFindingsOutput [] {
        /// So much.
        count: Count,
        /// How hard it looked.
        level: Text,
        /// All of it.
        findings: List<Finding>,
    }
}
