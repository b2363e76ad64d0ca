//! What tools are given (PROTOCOL 10). Old and new names both count.

use crate::wire::kinds::macros::{named, record, words};
use crate::wire::kinds::value::{Any, Count, Field, Flag, List, Map, Text};

named! {
    /// The input of a tool call, by the tool's name. A tool without a type is `Other`.
    pub enum ToolInput by family {
        /// A command.
        "Bash" => Bash(BashInput),
        /// Read a file.
        "Read" => Read(ReadInput),
        /// Write a file.
        "Write" => Write(WriteInput),
        /// Replace a text in a file.
        "Edit" => Edit(EditInput),
        /// Replace several.
        "MultiEdit" => MultiEdit(MultiEditInput),
        /// Change a notebook.
        "NotebookEdit" => NotebookEdit(NotebookEditInput),
        /// Find files.
        "Glob" => Glob(GlobInput),
        /// Find lines.
        "Grep" => Grep(GrepInput),
        /// Fetch a page.
        "WebFetch" | "web_fetch" => WebFetch(WebFetchInput),
        /// Search the web.
        "WebSearch" | "web_search" => WebSearch(WebSearchInput),
        /// Replace the list of what is to be done.
        "TodoWrite" => TodoWrite(TodoWriteInput),
        /// Add something to be done.
        "TaskCreate" => TaskCreate(TaskCreateInput),
        /// Change it.
        "TaskUpdate" => TaskUpdate(TaskUpdateInput),
        /// Look at it.
        "TaskGet" => TaskGet(TaskGetInput),
        /// Look at all of it.
        "TaskList" => TaskList(NoInput),
        /// A sub-agent.
        "Agent" | "Task" => Agent(AgentInput),
        /// What a task in the background wrote.
        "TaskOutput" | "AgentOutputTool" | "BashOutput" => TaskOutput(TaskOutputInput),
        /// Stop a task in the background.
        "TaskStop" | "KillShell" => TaskStop(TaskStopInput),
        /// Ask a person.
        "AskUserQuestion" => AskUserQuestion(AskUserQuestionInput),
        /// Begin to plan.
        "EnterPlanMode" => EnterPlanMode(NoInput),
        /// Propose a plan.
        "ExitPlanMode" => ExitPlanMode(ExitPlanModeInput),
        /// Wait for something.
        "Monitor" => Monitor(MonitorInput),
        /// Do something at a time.
        "CronCreate" => CronCreate(CronCreateInput),
        /// Do it no more.
        "CronDelete" => CronDelete(CronDeleteInput),
        /// What is done at a time.
        "CronList" => CronList(NoInput),
        /// Run a workflow.
        "Workflow" => Workflow(WorkflowInput),
        /// Move to a worktree.
        "EnterWorktree" => EnterWorktree(EnterWorktreeInput),
        /// Move back.
        "ExitWorktree" => ExitWorktree(ExitWorktreeInput),
        /// Say what a review found.
        "ReportFindings" => ReportFindings(ReportFindingsInput),
        /// Be woken later.
        "ScheduleWakeup" => ScheduleWakeup(ScheduleWakeupInput),
        /// Say something to another agent.
        "SendMessage" => SendMessage(SendMessageInput),
        /// Tell a person who is elsewhere.
        "PushNotification" => PushNotification(PushNotificationInput),
        /// What was sent to the session from elsewhere.
        "ReadNotifications" => ReadNotifications(NoInput),
        /// Look at or run something that is started from elsewhere.
        "RemoteTrigger" => RemoteTrigger(RemoteTriggerInput),
        /// Look for what MCP servers have, or for their tools again.
        "ListMcpResources" | "ListMcpResourcesTool" | "RefreshMcpTools" => McpServer(McpServerInput),
        /// Read it.
        "ReadMcpResource" | "ReadMcpResourceTool" | "ReadMcpResourceDir" => McpResource(McpResourceInput),
        /// A tool of an MCP server: whatever the server says it takes.
        "mcp__" => Mcp(OpenInput),
        /// A tool that has a name in PROTOCOL 10, and fields that no public source describes.
        "Skill" | "ToolSearch" | "ListAgents" => Open(OpenInput),
    }
}

/// The word that stands for a tool: tools of MCP servers (`mcp__server__tool`) are one family.
pub(super) fn family(name: &str) -> &str {
    const MCP: &str = "mcp__";
    if name.starts_with(MCP) { MCP } else { name }
}

record! {
    /// Any fields (PROTOCOL 10, captured for MCP): all of them are in `extra`.
    pub struct OpenInput [] {}
}

record! {
    /// Be woken later (PROTOCOL 10, typed).
    pub struct ScheduleWakeupInput [] {
        /// In so many s; the agent keeps it within 60 and 3,600.
        delay_seconds as "delaySeconds": Count,
        /// Why then, for a person.
        reason: Text,
        /// What it is told then.
        prompt: Text,
        /// No more of it; all else is ignored then.
        stop: Flag,
        /// Nothing had changed this time.
        noop: Flag,
    }
}

record! {
    /// Say something to another agent (PROTOCOL 10; `to` alone is in the type file, what is said is in `extra`).
    pub struct SendMessageInput [] {
        /// Its name.
        to: Text,
    }
}

record! {
    /// Tell a person who is elsewhere (PROTOCOL 10, typed).
    pub struct PushNotificationInput [] {
        /// In a few words.
        message: Text,
        /// `proactive`.
        status: Text,
    }
}

record! {
    /// Look at or run something that is started from elsewhere (PROTOCOL 10, typed).
    pub struct RemoteTriggerInput [] {
        /// `list`, `get`, `create`, `update`, `run`, `create_webhook_trigger`, `list_runs`, `get_run_log`.
        action: Text,
        /// Which.
        trigger_id: Text,
        /// Which run.
        session_id: Text,
        /// Goes on behind this page.
        cursor: Text,
        /// What it is given.
        body: Any,
    }
}

record! {
    /// Look for what MCP servers have (PROTOCOL 10, typed).
    pub struct McpServerInput [] {
        /// Only this one.
        server: Text,
    }
}

record! {
    /// Read what an MCP server has (PROTOCOL 10, typed).
    pub struct McpResourceInput [] {
        /// Which server.
        server: Text,
        /// What of it.
        uri: Text,
    }
}

record! {
    /// No fields (PROTOCOL 10, captured).
    pub struct NoInput [] {}
}

record! {
    /// A command (PROTOCOL 10, captured).
    pub struct BashInput [] {
        /// It.
        command: String,
        /// The agent's short line.
        description: Text,
        /// At most this long, in ms.
        timeout: Count,
        /// Do not wait for it.
        run_in_background: Flag,
        /// Outside the sandbox.
        dangerously_disable_sandbox as "dangerouslyDisableSandbox": Flag,
    }
}

record! {
    /// Read a file (PROTOCOL 10, captured).
    pub struct ReadInput [] {
        /// Where.
        file_path: String,
        /// From this line on.
        offset: Count,
        /// So many lines.
        limit: Count,
        /// Pages of a PDF.
        pages: Text,
    }
}

record! {
    /// Write a file (PROTOCOL 10, captured).
    pub struct WriteInput [] {
        /// Where.
        file_path: String,
        /// All of it.
        content: String,
    }
}

record! {
    /// Replace a text in a file (PROTOCOL 10, captured).
    pub struct EditInput [] {
        /// Where.
        file_path: String,
        /// This.
        old_string: String,
        /// By this.
        new_string: String,
        /// Everywhere.
        replace_all: Flag,
    }
}

record! {
    /// Replace several texts in a file (PROTOCOL 10, write-ups; retired).
    pub struct MultiEditInput [] {
        /// Where.
        file_path: String,
        /// In this order.
        edits: List<Replacement>,
    }
}

record! {
    /// One of several replacements (PROTOCOL 10, write-ups).
    pub struct Replacement [] {
        /// This.
        old_string: Text,
        /// By this.
        new_string: Text,
        /// Everywhere.
        replace_all: Flag,
    }
}

record! {
    /// Change a notebook (PROTOCOL 10, captured).
    pub struct NotebookEditInput [] {
        /// Where.
        notebook_path: String,
        /// The cell.
        cell_id: Text,
        /// What it says then.
        new_source: Text,
        /// `code` or `markdown`.
        cell_type: Text,
        /// `replace`, `insert` or `delete`.
        edit_mode: Text,
    }
}

record! {
    /// Find files (PROTOCOL 10, captured from 2.1.37).
    pub struct GlobInput [] {
        /// Their names.
        pattern: String,
        /// Below this.
        path: Text,
    }
}

record! {
    /// Find lines (PROTOCOL 10, captured from 2.1.37).
    pub struct GrepInput [] {
        /// A regular expression.
        pattern: String,
        /// Below this.
        path: Text,
        /// In files of such names.
        glob: Text,
        /// `content`, `files_with_matches` or `count`.
        output_mode: Text,
        /// Lines after.
        after as "-A": Count,
        /// Lines before.
        before as "-B": Count,
        /// Lines around.
        around as "-C": Count,
        /// With line numbers.
        line_numbers as "-n": Flag,
        /// In any case.
        ignore_case as "-i": Flag,
        /// Only what matches.
        only_matching as "-o": Flag,
        /// In files of such a type.
        kind as "type": Text,
        /// So many at most.
        head_limit: Count,
        /// After so many.
        offset: Count,
        /// Across lines.
        multiline: Flag,
    }
}

record! {
    /// Fetch a page (PROTOCOL 10, captured).
    pub struct WebFetchInput [] {
        /// Which.
        url: String,
        /// What to look for.
        prompt: Text,
        /// From here on.
        offset: Count,
    }
}

record! {
    /// Search the web (PROTOCOL 10, typed).
    pub struct WebSearchInput [] {
        /// For this.
        query: String,
        /// Only there.
        allowed_domains: List<String>,
        /// Not there.
        blocked_domains: List<String>,
    }
}

record! {
    /// Replace the list of what is to be done (PROTOCOL 10, captured from 2.1.37 and 2.1.197).
    pub struct TodoWriteInput [] {
        /// All of it.
        todos: Vec<Todo>,
    }
}

record! {
    /// Something to be done (PROTOCOL 10, captured).
    pub struct Todo [] {
        /// What.
        content: Text,
        /// Where it stands.
        status: Field<TodoStatus>,
        /// The same while it is done.
        active_form as "activeForm": Text,
    }
}

words! {
    /// Where something to be done stands (PROTOCOL 10, captured).
    pub enum TodoStatus {
        /// To be done.
        Pending = "pending",
        /// Being done.
        InProgress = "in_progress",
        /// Done.
        Completed = "completed",
        /// Gone (`TaskUpdate` alone).
        Deleted = "deleted",
    }
}

record! {
    /// Add something to be done (PROTOCOL 10, captured from 2.1.197).
    pub struct TaskCreateInput [] {
        /// In a few words.
        subject: Text,
        /// What.
        description: Text,
        /// The subject while it is done.
        active_form as "activeForm": Text,
        /// The agent's own.
        metadata: Any,
    }
}

record! {
    /// Change something to be done (PROTOCOL 10, captured from 2.1.197).
    pub struct TaskUpdateInput [] {
        /// Which.
        task_id as "taskId": String,
        /// In a few words.
        subject: Text,
        /// What.
        description: Text,
        /// The subject while it is done.
        active_form as "activeForm": Text,
        /// Where it stands.
        status: Field<TodoStatus>,
        /// These wait for it.
        add_blocks as "addBlocks": List<String>,
        /// It waits for these.
        add_blocked_by as "addBlockedBy": List<String>,
        /// Who does it.
        owner: Text,
        /// The agent's own.
        metadata: Any,
    }
}

record! {
    /// Look at something to be done (PROTOCOL 10, captured from 2.1.197).
    pub struct TaskGetInput [] {
        /// Which.
        task_id as "taskId": String,
    }
}

record! {
    /// A sub-agent (PROTOCOL 10, captured).
    pub struct AgentInput [] {
        /// In a few words.
        description: Text,
        /// What it is asked.
        prompt: Text,
        /// Its kind.
        subagent_type: Text,
        /// Its model.
        model: Text,
        /// Do not wait for it.
        run_in_background: Flag,
        /// Its name.
        name: Text,
        /// Its permission mode.
        mode: Text,
        /// Where it works.
        isolation: Text,
    }
}

record! {
    /// What a task in the background wrote (PROTOCOL 10, typed).
    pub struct TaskOutputInput [] {
        /// Which.
        task_id: Text,
        /// Wait for its end.
        block: Flag,
        /// At most this long, in ms.
        timeout: Count,
    }
}

record! {
    /// Stop a task in the background (PROTOCOL 10, typed).
    pub struct TaskStopInput [] {
        /// Which.
        task_id: Text,
        /// Its older name.
        shell_id: Text,
    }
}

record! {
    /// Ask a person (PROTOCOL 10, captured). The answer is this input with `answers`.
    pub struct AskUserQuestionInput [] {
        /// One to four.
        questions: Vec<Question>,
        /// By the full text of the question; a list where several may be chosen.
        answers: Field<Map<crate::RawJson>>,
        /// More about them, by the question.
        annotations: Any,
    }
}

record! {
    /// A question (PROTOCOL 10, captured).
    pub struct Question [] {
        /// It.
        question: Text,
        /// In a word.
        header: Text,
        /// Whether several may be chosen.
        multi_select as "multiSelect": Flag,
        /// Two to four; other answers may be given too.
        options: List<QuestionOption>,
    }
}

record! {
    /// An answer to choose (PROTOCOL 10, captured).
    pub struct QuestionOption [] {
        /// It.
        label: Text,
        /// What it means.
        description: Text,
        /// What it would look like.
        preview: Text,
    }
}

record! {
    /// Propose a plan (PROTOCOL 10, captured). Streams as `{}`; the agent fills it in from the plan's file.
    pub struct ExitPlanModeInput [] {
        /// It, as markdown.
        plan: Text,
        /// Where it is kept.
        plan_file_path as "planFilePath": Text,
        /// What may run without asking then.
        allowed_prompts as "allowedPrompts": Any,
    }
}

record! {
    /// Wait for something (PROTOCOL 10, typed).
    pub struct MonitorInput [] {
        /// In a few words.
        description: Text,
        /// At most this long, in ms.
        timeout_ms: Count,
        /// Whose output to watch.
        command: Text,
        /// Or which socket.
        ws: Any,
    }
}

record! {
    /// Do something at a time (PROTOCOL 10, typed).
    pub struct CronCreateInput [] {
        /// When.
        cron: Text,
        /// What.
        prompt: Text,
        /// Again and again.
        recurring: Flag,
        /// Also after this session.
        durable: Flag,
    }
}

record! {
    /// Do it no more (PROTOCOL 10, typed).
    pub struct CronDeleteInput [] {
        /// Which.
        id: Text,
    }
}

record! {
    /// Run a workflow (PROTOCOL 10, typed).
    pub struct WorkflowInput [] {
        /// Its text.
        script: Text,
        /// Or its name.
        name: Text,
        /// Or where it is.
        script_path as "scriptPath": Text,
        /// What it does.
        description: Text,
        /// A headline.
        title: Text,
        /// What it is given.
        args: Any,
        /// Goes on with this run.
        resume_from_run_id as "resumeFromRunId": Text,
    }
}

record! {
    /// Move to a worktree (PROTOCOL 10, typed).
    pub struct EnterWorktreeInput [] {
        /// A new one.
        name: Text,
        /// Or one that is there.
        path: Text,
    }
}

record! {
    /// Move back from a worktree (PROTOCOL 10, typed).
    pub struct ExitWorktreeInput [] {
        /// `keep` or `remove`.
        action: Text,
        /// Even with changes in it.
        discard_changes: Flag,
    }
}

record! {
    /// What a review found (PROTOCOL 10, typed).
    pub struct ReportFindingsInput [] {
        /// How hard it looked.
        level: Text,
        /// All of it.
        findings: List<Finding>,
    }
}

record! {
    /// Something a review found (PROTOCOL 10, typed).
    pub struct Finding [] {
        /// Where.
        file: Text,
        /// In which line.
        line: Count,
        /// What.
        summary: Text,
        /// The same in a few words.
        short_summary: Text,
        /// How it goes wrong.
        failure_scenario: Text,
        /// Its kind.
        category: Text,
        /// How bad.
        severity: Text,
        /// How sure.
        verdict: Text,
        /// What became of it.
        outcome: Text,
    }
}
