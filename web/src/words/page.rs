//! What the page says wherever it is.

use super::words;

words! {
    part_awaited: "Loading this part of the page." | "正在加载页面的这一部分。";
    part_failed: "This part of the page could not be loaded. Try again; if that does not help, reload the page." | "页面的这一部分无法加载。请重试；如果没有用，请重新加载页面。";
    part_again: "Try again" | "重试";
    waits_for_you: "Waits for you" | "等待你处理";
    waiting_for_you(what): "Waiting for you: {0}" | "等你处理:{0}";
    turn_done: "The agent is done." | "代理已完成。";
    turn_stopped: "The agent was stopped." | "代理已被停止。";
    turn_failed: "The agent's turn failed." | "代理这一轮失败了。";
    dismiss: "Dismiss" | "关闭";
    connection: "Connection" | "连接";
    now: "Now" | "立即";
    connect_now: "Connect now" | "立即连接";
    device_offline: "This device is offline. What you write is kept." | "此设备已离线。你写的内容会保留。";
    not_connected: "Not connected. What you write is kept." | "未连接。你写的内容会保留。";
    no_answer: "Not connected: the server does not answer. What you write is kept." | "未连接:服务器没有响应。你写的内容会保留。";
    session_missing: "The server does not have this session." | "服务器上没有此会话。";
    refused: "The server refused this browser." | "服务器拒绝了此浏览器。";
    outdated: "This page is older than the server." | "此页面比服务器旧。";
    update_ready: "A new version of this page is there." | "此页面有新版本。";
    reload: "Reload" | "重新加载";
    session_archived: "This session is archived: it can be read, not continued." | "此会话已归档:可以查看,不能继续。";
    lists_stale(why): "These lists are not up to date: {0}." | "这些列表不是最新的:{0}。";
    did_not_work(why): "That did not work: {0}." | "操作失败:{0}。";
    not_sent(why): "Not sent: {0}." | "未发送:{0}。";
    no_session_open: "Nothing was sent: no session is open." | "未发送:没有打开的会话。";
    silent: "the server does not answer" | "服务器没有响应";
    unreadable(why): "the server's answer cannot be read: {0}" | "无法读取服务器的回答:{0}";
    crashed: "The page stopped working." | "页面停止工作了。";
    crashed_why: "The agents go on, nothing they did is lost, and what you typed is kept. Reload to continue." | "代理会继续运行,它们做的一切都不会丢失,你输入的内容也会保留。请重新加载以继续。";
    just_now: "now" | "刚刚";
    minutes(n): "{0} min" | "{0} 分钟";
    hours(n): "{0} h" | "{0} 小时";
    days(n): "{0} d" | "{0} 天";
    notify_title(title): "Waiting for you: {0}" | "等你处理:{0}";
}
