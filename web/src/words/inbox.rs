//! The inbox: what waits over all sessions.

use super::words;

words! {
    title: "Inbox" | "收件箱";
    nothing_waits: "Nothing waits for you." | "没有等待你处理的事项。";
    plural requests_wait: "{0} request waits for you", "{0} requests wait for you" | "有 {0} 个请求等待你处理";
    plural in_sessions: "in {0} session", "in {0} sessions" | "来自 {0} 个会话";
    listening: "Looking for what waits." | "正在查找等待处理的事项。";
    not_now: "Not now" | "稍后";
    open_session: "Open the session" | "打开会话";
    all_sessions: "All sessions" | "所有会话";
    also_waiting: "Also waiting" | "其他等待事项";
    answered_here: "Answered just now" | "刚刚回答";
    more_sessions: "More sessions wait than are shown here at once" | "等待的会话比这里一次能显示的多";
    plural sessions_wait: "{0} waiting", "{0} waiting" | "{0} 个等待中";
    waiting: "waiting for you" | "等待你处理";
    untitled: "Untitled" | "未命名";
}
