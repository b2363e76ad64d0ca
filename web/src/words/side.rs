//! What the list of sessions and the machines beside it say.

use super::words;

words! {
    sessions: "Sessions" | "会话";
    new_session: "New session" | "新会话";
    waiting: "Waiting" | "待处理";
    running: "Running" | "运行中";
    idle: "Idle" | "空闲";
    archived: "Archived" | "已归档";
    search: "Search sessions" | "搜索会话";
    nothing_found: "No session fits." | "没有匹配的会话。";
    only_latest: "Only the latest sessions are listed. Archive what is done." | "只列出最近的会话。请归档已完成的会话。";
    untitled: "Untitled" | "未命名";
    no_session: "No session yet. Start one and say what is to be done." | "还没有会话。新建一个,说明要做什么。";
    waits_here: "waiting for you" | "项等你处理";
    unread: "New since you looked" | "有新内容";
    actions(title): "Actions for {0}" | "对“{0}”的操作";
    rename: "Rename" | "重命名";
    archive: "Archive" | "归档";
    unarchive: "Unarchive" | "取消归档";
    title: "Title" | "标题";
    save: "Save" | "保存";
    cancel: "Cancel" | "取消";
    ask_archive_busy: "An agent runs here or waits for you. Archiving stops it; the session can still be read." | "此会话正在运行或等你处理。归档会停止代理;之后仍可查看。";
    older: "Show older" | "显示更早的";
    machines: "Machines" | "机器";
    online: "online" | "在线";
    offline_seen(age): "offline, seen {0} ago" | "离线,上次在线:{0}前";
    offline_just_now: "offline, seen just now" | "刚刚离线";
    branch: "branch" | "分支";
    no_machine: "No machine is connected. In your project, run:" | "没有已连接的机器。请在项目目录中运行:";
    copy: "Copy" | "复制";
    copied: "Copied" | "已复制";
    settings: "Settings" | "设置";
    log_out: "Log out" | "退出登录";
    log_out_stay: "Stay" | "留下";
    log_out_anyway: "Log out anyway" | "仍然退出";
    plural lost: "{0} message was not sent. Logging out throws that away, and every draft.", "{0} messages were not sent. Logging out throws that away, and every draft." | "有 {0} 条消息尚未发送。退出登录会丢弃它们以及所有草稿。";
    plural unsent_elsewhere: "{0} message in another session is not sent yet.", "{0} messages in other sessions are not sent yet." | "其他会话中还有 {0} 条消息未发送。";
    newcomer: "A device wants in" | "有设备请求加入";
    newcomer_asks: "wants in. Does it show this code?" | "请求加入。它显示的是这个代码吗?";
    newcomer_machine: "A machine wants to run agents for you" | "有一台机器想为你运行代理";
    newcomer_machine_asks: "is a machine that wants to run agents here. Does it show this code?"
        | "是一台想在这里运行代理的机器。它显示的是这个代码吗?";
    newcomer_role: "It may" | "权限";
    turn_away: "No, turn away" | "不是,拒绝";
    admit: "Yes, admit" | "是,允许";
    admit_machine: "Yes, let it run agents" | "是,允许它运行代理";
}
