//! What the transcript and what stands around it say.

use super::words;

words! {
    transcript: "Transcript" | "会话记录";
    loading_earlier: "Loading earlier events" | "正在加载更早的内容";
    loading: "Loading" | "正在加载";
    show_earlier: "Show earlier" | "显示更早的内容";
    show_later: "Show later" | "显示更晚的内容";
    nothing_yet: "Nothing has been said yet." | "还没有任何内容。";
    plural missing: "{0} event is missing here. Asking the server for it.", "{0} events are missing here. Asking the server for them." | "这里缺少 {0} 个事件，正在向服务器请求。";
    plural new: "↓ {0} new", "↓ {0} new" | "↓ {0} 条新内容";
    latest: "↓ latest" | "↓ 最新";
    kept_copy(when): "Kept on this device {0}. The server is not reached; newer events may be missing." | "这是此设备在 {0} 保存的副本。目前无法连接服务器，可能缺少更新的内容。";

    you: "You" | "你";
    you_at(time): "You, {0}" | "你，{0}";
    agent_at(time): "Agent, {0}" | "代理，{0}";
    agent: "Agent" | "代理";
    show_all: "Show all of it" | "全部显示";
    plural attachments: "{0} attachment", "{0} attachments" | "{0} 个附件";
    send_again: "Send again?" | "再次发送？";
    thinking: "Thinking" | "正在思考";
    thought: "Thought" | "思考";
    thought_for(took): "Thought for {0}" | "思考了 {0}";
    done: "Done" | "已完成";
    done_in(took): "Done in {0}" | "已完成，用时 {0}";
    stopped: "Stopped" | "已停止";
    stopped_after(took): "Stopped after {0}" | "{0} 后停止";
    failed: "Failed" | "失败";
    failed_with(error): "Failed: {0}" | "失败：{0}";
    tokens_in_out(input, output): "{0} tokens in, {1} out" | "输入 {0} 词元，输出 {1}";
    link_to_here: "Copy a link to here" | "复制此处的链接";
    link_copied: "The link is copied." | "链接已复制。";
    leads_to(host): "This link leads to {0}, which its text does not say. Open it?" | "此链接通向 {0}，与文字不符。要打开吗？";
    image: "image" | "图片";
    image_of(alt): "image: {0}" | "图片：{0}";

    rail: "Position in the session" | "会话中的位置";
    rail_at(seq, head): "Event {0} of {1}" | "第 {0} 个事件，共 {1} 个";
    answer_last: "Last answer" | "最近的回答";
    request_next: "Next request" | "下一个请求";
    request_before: "Request before" | "上一个请求";
    todo: "To do" | "任务";
    todo_now(done, all): "{0} of {1} done" | "已完成 {0} / {1}";

    menu: "Session menu" | "会话菜单";
    find: "Search in this session" | "在此会话中搜索";
    find_placeholder: "Search" | "搜索";
    find_before: "Previous match" | "上一处";
    find_next: "Next match" | "下一处";
    find_close: "Close the search" | "关闭搜索";
    find_at(at, all): "{0} of {1}" | "{0} / {1}";
    find_none: "nothing found" | "没有找到";
    find_going(seq): "searching, {0} left" | "正在搜索，剩余 {0}";
    find_stopped: "only the first matches" | "只显示前面的匹配";
    find_failed: "the server does not answer" | "服务器没有响应";
    export: "Export" | "导出";
    export_as(kind): "Export as {0}" | "导出为 {0}";
    export_going(done, all): "Exporting: {0} of {1} events" | "正在导出：{0} / {1} 个事件";
    export_stop: "Stop" | "停止";
    export_done: "The session is exported." | "会话已导出。";
    export_failed(why): "Not exported: {0}." | "未能导出：{0}。";
    exported_on(time): "Exported on {0}." | "导出时间：{0}。";

    all_sessions: "All sessions" | "全部会话";
    session: "Session" | "会话";
    about: "About this session" | "关于此会话";
    waits_here: "What waits for you" | "等待你处理的内容";
    nothing_waits: "Nothing waits for you here." | "这里没有待处理的请求。";
    machine: "Machine" | "机器";
    worker: "Worker" | "工作进程";
    directory: "Directory" | "目录";
    agent_name: "Agent" | "代理";
    model: "Model" | "模型";
    mode: "Mode" | "模式";
    context: "Context" | "上下文";
    cost: "Cost" | "费用";
    context_share(used, share): "{0} tokens, {1} %" | "{0} 词元，{1} %";
    worker_unknown: "not known while this page is not connected" | "此页面未连接时无法得知";
    worker_attached: "attached" | "已连接";
    worker_offline: "offline: what you send is kept until it is back" | "离线：你发送的内容会保留到它恢复";
    worker_leaving: "about to leave" | "即将离开";

    connected: "Connected" | "已连接";
    connecting: "Connecting" | "正在连接";
    not_connected: "Not connected" | "未连接";
    offline: "Offline" | "离线";
    not_tried: "Stopped" | "已停止";
    bridge: "bridge" | "网桥";
    bridge_on(machine): "bridge on {0}" | "{0} 上的网桥";
    is_online(what): "{0} online" | "{0}在线";
    is_offline(what): "{0} offline" | "{0}离线";
    is_leaving(what): "{0} is about to leave" | "{0}即将离开";
    disk_full: "the disk of its machine is full: everything waits there until there is room" | "它所在机器的磁盘已满：一切都会等到有空间为止";
    agent_away: "agent out of reach" | "无法联系代理";
    agent_idle: "agent idle" | "代理空闲";
    agent_works: "agent working" | "代理正在工作";
    agent_asks: "agent waits for you" | "代理在等你处理";
    agent_waits: "agent waits for the decision" | "代理在等待决定";
    trying_now: "Trying now." | "正在重试。";
    next_try_s(seconds): "Next try in {0} s." | "{0} 秒后重试。";
    next_try_min(minutes): "Next try in {0} min." | "{0} 分钟后重试。";
    other_log: "The server's log was restored from a copy. What is shown now is what it has; the newest events may be missing." | "服务器的日志是从备份恢复的。现在显示的就是它所有的内容，可能缺少最新的部分。";
    shorter_log: "The server's log ends before what was shown here. This is what it has." | "服务器的日志比这里显示过的更短。现在显示的就是它所有的内容。";
    changed_log: "The server sent something else for an event that was shown already. Everything was loaded again: compare before you decide." | "对于已显示过的内容，服务器发来了不同的版本。已全部重新加载：请核对后再做决定。";
}
