//! The composer: what a person says to an agent, what is on its way, and how the agent works.

use portcullis_protocol::wire::prompt::Priority;

use super::words;

words! {
    message: "Message" | "消息";
    first_prompt: "First prompt" | "第一条消息";
    send: "Send" | "发送";
    stop: "Stop" | "停止";
    may_watch: "This browser may watch. An owner can let it say something." | "此浏览器只能查看。所有者可以允许它发言。";
    not_sent(error): "Not sent: {0}." | "未发送：{0}。";
    nothing_open: "Nothing was sent: no session is open." | "没有发送任何内容：没有打开会话。";

    // Completion.
    commands: "Commands" | "命令";
    files: "Files" | "文件";
    plural fitting: "{0} fits", "{0} fit" | "{0} 个匹配";

    // Attachments.
    attach: "Attach images or a PDF" | "附加图片或 PDF";
    attached: "Attached" | "已附加";
    remove(name): "Remove {0}" | "移除 {0}";
    not_an_image(name): "{0} was not attached: only PNG, JPEG, WebP, GIF and PDF are taken." | "未附加 {0}：只接受 PNG、JPEG、WebP、GIF 和 PDF。";
    too_big(name): "{0} was not attached: all of it together would be too big to send." | "未附加 {0}：合计太大，无法发送。";
    unreadable(name): "{0} was not attached: this browser cannot read it." | "未附加 {0}：浏览器无法读取。";
    plural with_files: "with {0} attachment", "with {0} attachments" | "带 {0} 个附件";

    // When the agent hears of it.
    when: "When the agent hears of it" | "代理何时收到";
    at_next_pause: "at its next pause" | "下次停顿时";
    at_once: "at once" | "立即";
    when_done: "when it is done" | "完成之后";

    // How the agent works.
    mode: "Permission mode" | "权限模式";
    model: "Model" | "模型";
    mode_plan: "Plan" | "计划";
    mode_dont_ask: "Never ask, deny" | "不询问，直接拒绝";
    mode_default: "Ask" | "询问";
    mode_accept_edits: "Accept edits" | "自动接受编辑";
    mode_auto: "Auto" | "自动";
    mode_bypass: "Allow everything" | "全部允许";
    context(percent): "{0} % context" | "上下文 {0} %";
    tokens(input, output): "{0} in · {1} out" | "输入 {0} · 输出 {1}";

    // The queue.
    not_started: "Not started yet" | "尚未开始";
    plural not_sent_yet: "{0} message is not sent yet.", "{0} messages are not sent yet." | "有 {0} 条消息尚未发送。";
    try_now: "Try now" | "立即重试";
    send_again: "Send again" | "重新发送";
    discard: "Discard" | "丢弃";
    take_back: "Take back" | "撤回";
    moving: "Being taken back from the agent, to be said again." | "正在从代理撤回，之后会重新发送。";
    move_begun: "Too late: the agent has begun with this message. Nothing was sent again." | "太迟了：代理已开始处理这条消息。没有重新发送。";
    move_refused(why): "This message stays where it was: {0}." | "这条消息保持不变：{0}。";
    move_offline: "Not connected: this message stays where it was. Try again once the connection is back." | "未连接：这条消息保持不变。请在连接恢复后重试。";
    move_unrepeatable: "This message stays where it was: this page cannot say it again just as it is. Take it back and write it anew." | "这条消息保持不变：此页面无法原样重新发送。请撤回后重新写。";
    move_unanswered: "Nobody answered whether this message was taken back, so it was not sent again. If it is no longer waiting, write it anew." | "没有收到是否已撤回的答复，所以没有重新发送。如果它已不在等待中，请重新写。";
    refused_because(error): "The server refused it: {0}." | "服务器拒绝了它：{0}。";
    waiting_to_be_sent: "Waiting to be sent." | "等待发送。";
    waiting_for_connection: "Waiting for the connection." | "等待连接。";
    sent_slowly: "Sent. The server takes long to answer; it is sent again by itself." | "已发送。服务器回应较慢，会自动重发。";
    sending: "Sending." | "正在发送。";
    on_its_way: "With the server, on its way to the agent." | "服务器已收到，正在送往代理。";
    not_delivered: "With the server, not delivered yet: the bridge is offline." | "服务器已收到，尚未送达：桥接程序离线。";
    refused: "The server refused it." | "服务器拒绝了它。";
    in_this_tab(state): "{0} Kept only as long as this tab is open." | "{0}仅在此标签页打开期间保留。";
    next_in_turn: "With the agent, next after what runs now." | "代理已收到，排在当前任务之后。";
    with_the_agent: "With the agent." | "代理已收到。";
    answered: "Answered." | "已回答。";
    stopped: "Stopped." | "已停止。";
    unknown_fate: "It may or may not have reached the agent, which ended meanwhile." | "不确定是否送达代理：代理中途结束了。";
    with_the_server: "With the server." | "服务器已收到。";
}

/// When an agent that works hears of a message.
#[must_use]
pub fn heard(priority: Priority) -> &'static str {
    match priority {
        Priority::Now => at_once(),
        Priority::Next => at_next_pause(),
        Priority::Later => when_done(),
    }
}
