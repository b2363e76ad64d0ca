//! What the places without a session say: nothing chosen yet, and a new one.

use super::words;

words! {
    nothing_waits: "Nothing waits for you." | "没有待处理的请求。";
    plural sessions_wait: "{0} session waits for you.", "{0} sessions wait for you." | "有 {0} 个会话等你处理。";
    hint_before: "Choose a session, or start one with" | "选择一个会话,或按";
    hint_between: "." | "新建一个。按";
    hint_after: "shows the other keys." | "查看其他快捷键。";
    what_to_do: "What is to be done?" | "要做什么?";
    first_prompt: "First prompt" | "第一条消息";
    back: "All sessions" | "全部会话";
    machine: "Machine" | "机器";
    directory: "Directory" | "目录";
    directory_hint: "A path on that machine; empty: the one it was started in" | "该机器上的路径;留空则用启动时的目录";
    title: "Title" | "标题";
    title_hint: "Made from the prompt" | "由消息生成";
    agent: "Agent" | "代理";
    as_machine_says: "As the machine says" | "按机器的设置";
    model: "Model" | "模型";
    model_hint: "As the agent says" | "按代理的设置";
    mode: "Mode" | "模式";
    mode_owner: "What asks less than the default needs an owner." | "比默认更宽松的模式需要所有者权限。";
    more: "Agent, model, mode, title" | "代理、模型、模式、标题";
    offline: "offline" | "离线";
    no_machine: "No machine is online. In your project, run portcullis up." | "没有在线的机器。请在项目目录中运行 portcullis up。";
    may_not: "This device may only watch: an owner can let it start sessions." | "此设备只能查看。所有者可以允许它新建会话。";
    mode_default: "Ask before acting" | "操作前询问";
    mode_plan: "Plan only, change nothing" | "只做计划,不改动";
    mode_dont_ask: "Deny instead of asking" | "不询问,直接拒绝";
    mode_accept_edits: "Edit files without asking" | "编辑文件不询问";
    mode_auto: "Let a classifier decide" | "由分类器决定";
    mode_bypass: "Never ask" | "从不询问";
}

/// A permission mode in words, beside the name it has on the wire.
#[must_use]
pub fn mode_words(name: &str) -> String {
    use portcullis_protocol::role::PermissionMode as Mode;
    let Some(mode) = Mode::parse(name) else { return name.to_owned() };
    let words = match mode {
        Mode::Default => mode_default(),
        Mode::Plan => mode_plan(),
        Mode::DontAsk => mode_dont_ask(),
        Mode::AcceptEdits => mode_accept_edits(),
        Mode::Auto => mode_auto(),
        Mode::BypassPermissions => mode_bypass(),
    };
    format!("{words} ({name})")
}
