//! Keys, and everything by name.

use super::words;

words! {
    title: "Keys" | "快捷键";
    close: "Close" | "关闭";
    allow: "Allow once: then Ctrl+Enter (⌘+Enter)" | "允许一次：再按 Ctrl+Enter（⌘+Enter）";
    deny: "Deny" | "拒绝";
    deny_because: "Deny with a reason" | "拒绝并说明理由";
    edit: "Edit the request" | "编辑请求";
    next: "Next request" | "下一个请求";
    sessions: "Sessions" | "会话列表";
    inbox: "Inbox" | "收件箱";
    new_session: "New session" | "新会话";
    settings: "Settings" | "设置";
    turns: "Next and previous turn" | "下一轮和上一轮";
    fold: "Open or close what has the focus" | "展开或折叠焦点所在项";
    search: "Search" | "搜索";
    latest: "Latest answer" | "最新回答";
    composer: "Write a message" | "写消息";
    out: "Out of here" | "退出";
    stop: "Stop the agent" | "停止代理";
    by_name: "Everything by name" | "按名称查找一切";
    palette_hint: "Go to, or do" | "前往或执行";
    nothing_fits: "Nothing fits." | "没有匹配项。";
}
