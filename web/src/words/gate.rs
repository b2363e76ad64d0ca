//! The gate: what is asked, what stands out, the ways to answer, and what became of the answer.

use super::words;

words! {
    // What is asked.
    run_a_command: "Run a command" | "运行一条命令";
    write_a_file: "Write a file" | "写入一个文件";
    change_a_file: "Change a file" | "修改一个文件";
    change_a_notebook: "Change a notebook" | "修改一个笔记本";
    read_a_file: "Read a file" | "读取一个文件";
    list_files: "List files" | "列出文件";
    search_in_files: "Search in files" | "在文件中搜索";
    fetch_a_page: "Fetch a page" | "获取一个网页";
    search_the_web: "Search the web" | "搜索网络";
    a_question: "A question for you" | "有一个问题要问你";
    a_plan: "A plan for you to approve" | "有一个计划等你批准";
    an_unknown_request: "A request this client does not know" | "此客户端不认识的请求";
    use_of_server(tool, server): "Use {0} of {1}" | "使用 {1} 的 {0}";
    use_tool(tool): "Use the tool {0}" | "使用工具 {0}";
    server_asks(server): "A server that the agent calls “{0}” asks you" | "代理称为“{0}”的服务器在问你";
    dialog_asks(kind): "The agent asks you in a dialog of the kind “{0}”" | "代理用“{0}”类型的对话框问你";

    // Where and who.
    by_the_agent: "asked by the agent" | "由代理提出";
    by_the_sub_agent(id): "asked by the sub-agent {0}" | "由子代理 {0} 提出";
    just_now: "just now" | "刚刚";
    ago(age): "{0} ago" | "{0}前";
    on_no_file: "makes a new file" | "新建一个文件";
    on_file(size): "changes a file of {0}" | "更改一个 {0} 的文件";
    the_agent_says: "The agent says: " | "代理说：";
    agents_words: " (the agent's words)" | "（代理的话）";

    // What stands out.
    hides(count): "Holds invisible or misleading characters: {0} of them, each shown as ⟨U+…⟩." | "含有 {0} 个不可见或误导性的字符，每个都显示为 ⟨U+…⟩。";
    mixes_scripts: "A word holds letters or signs that look like others." | "有一个词含有看起来像别的字符的字母或符号。";
    really_is(shown, ascii): "The host {0} is really {1}" | "主机 {0} 实际上是 {1}";
    touches_outside(path): "Touches a path outside what is allowed: {0}" | "涉及允许范围之外的路径：{0}";
    why_it_asks(reason): "Why it asks: {0}" | "询问的原因：{0}";

    // Why it can only be denied.
    other_bytes: "What arrived here is not what the server recorded. It can only be denied." | "这里收到的内容与服务器的记录不同，只能拒绝。";
    twice_a_field: "A field stands twice in this request. It can only be denied." | "此请求中有一个字段出现了两次，只能拒绝。";
    unreadable_kind: "This client cannot read this kind of request. It can only be denied." | "此客户端无法读取这种请求，只能拒绝。";
    unread: "Show all of it and scroll to its end first." | "请先展开全部内容并滚动到末尾。";
    too_long: "Too long to be judged here: it can only be denied." | "内容太长，无法在这里判断，只能拒绝。";
    framed: "This page is inside another one. Open it on its own to allow anything." | "此页面被嵌在另一个页面中。请单独打开后再允许。";
    not_permitted: "This device may watch, not approve. An owner can change that." | "此设备只能查看，不能批准。所有者可以更改。";

    // The exact text.
    exactly_this: "Exactly this" | "确切内容";
    exactly_as_asked: "Exactly as it was asked" | "原始请求";
    show_all: "Show all of it" | "展开全部";
    plural lines_folded: "{0} line is folded here", "{0} lines are folded here" | "此处折叠了 {0} 行";
    plural characters_folded: "{0} character is folded here", "{0} characters are folded here" | "此处折叠了 {0} 个字符";

    // The answers.
    deny_more: "Deny…" | "拒绝…";
    edit_more: "Edit…" | "编辑…";
    deny: "Deny" | "拒绝";
    back: "Back" | "返回";
    allow_once: "Allow once" | "允许一次";
    approve_the_plan: "Approve the plan" | "批准计划";
    answer: "Answer" | "回答";
    accept: "Accept" | "接受";
    decline: "Decline" | "谢绝";
    complete: "Complete" | "完成";
    cancel: "Cancel" | "取消";
    allow_and_this: "Allow, and this" | "允许，并授予此规则";
    allow_as_edited: "Allow as edited" | "按编辑后的内容允许";
    reason_label: "Reason for the agent" | "给代理的理由";
    reason_hint: "Reason for the agent, if you like" | "给代理的理由（可不填）";
    command_edited: "The command, edited" | "编辑后的命令";
    input_edited: "The input as JSON, edited" | "编辑后的输入（JSON）";
    what_you_changed: "What you changed" | "你的改动";
    unchanged: "Nothing was changed." | "没有改动。";
    not_json: "This is not a JSON object." | "这不是 JSON 对象。";
    duplicate: "A field stands twice." | "有一个字段出现了两次。";
    by_chord: "By key only with Ctrl+Enter (or ⌘+Enter)." | "键盘操作只能用 Ctrl+Enter（或 ⌘+Enter）。";
    plural alike: "Answer the {0} other request that is just the same too", "Answer the {0} other requests that are just the same too" | "同时回答另外 {0} 个完全相同的请求";

    // An agent's own choices.
    option_allow_once: "Allow this once" | "仅允许这一次";
    option_allow_always: "Allow this from now on" | "从现在起一直允许";
    option_reject_once: "Deny this once" | "仅拒绝这一次";
    option_reject_always: "Deny this from now on" | "从现在起一直拒绝";
    option_other: "Not known here" | "此处未知";
    owner_alone: "Only an owner may allow from now on." | "只有所有者可以一直允许。";

    // Rules.
    for_this_session: "for this session" | "在此会话中";
    in_this_project: "in this project, on this machine" | "在此项目中，仅限此机器";
    in_project_settings: "in the project's settings" | "在项目设置中";
    in_all_projects: "in all projects" | "在所有项目中";
    in_place(place): "in {0}" | "在 {0} 中";
    always_allow(rules, place): "always allow {0} {1}" | "始终允许 {0}（{1}）";
    always_do(behavior, rules, place): "always {0} {1} {2}" | "始终 {0} {1}（{2}）";
    switch_mode(mode, place): "switch to the mode {0} {1}" | "切换到模式 {0}（{1}）";
    open_directory(path, place): "open the directory {0} {1}" | "开放目录 {0}（{1}）";

    // Questions, forms, plans.
    something_else: "Something else" | "其他";
    the_plan: "The plan" | "计划";
    wants_you_to_open: "It wants you to open: " | "它希望你打开：";
    result_as_json: "The result, as JSON" | "结果（JSON）";
    no_json: "This is no JSON, or names a key twice." | "这不是 JSON，或有重复的键。";
    required: " required" | " 必填";
    not_answered: "not answered" | "未回答";
    is_required: "is required" | "必填";
    is_choice: "is one of the choices" | "应为选项之一";
    is_text: "is a text" | "应为文本";
    is_number: "is a number" | "应为数字";
    is_whole: "is a whole number" | "应为整数";
    is_boolean: "is yes or no" | "应为是或否";
    is_json: "is JSON, with every key once" | "应为 JSON，且每个键只出现一次";

    // Several requests.
    waits: "Waits for you" | "等待你处理";
    waits_among(at, of): "Waits for you: {0} of {1}" | "等待你处理：第 {0} 个，共 {1} 个";
    waits_no_longer: "No longer waiting" | "不再等待";
    plural more_wait: "One more waits for you", "{0} more wait for you" | "还有 {0} 个等待你处理";
    next_request: "Next request" | "下一个请求";
    previous_request: "Previous request" | "上一个请求";
    show_the_request: "Show the request" | "展开请求";
    fold_the_request: "Fold the request" | "折叠请求";

    // Before the click.
    page_is_away: "This page is not connected: the request may be over already." | "此页面未连接：请求可能已经结束。";
    bridge_is_away: "The bridge is offline. A decision is kept and delivered when it is back, if the agent still waits then." | "桥接程序离线。决定会被保留，等它恢复后送达（如果代理那时仍在等待）。";

    // What became of it.
    accepted: "accepted" | "已接收";
    delivered: "delivered" | "已送达";
    went_on: "the agent went on" | "代理已继续";
    not_yet: ": not yet" | "：尚未";
    done: ": yes" | "：是";
    allowed: "Allowed" | "已允许";
    answered: "Answered" | "已回答";
    approved: "Approved" | "已批准";
    was_accepted: "Accepted" | "已接受";
    completed: "Completed" | "已完成";
    declined: "Declined" | "已谢绝";
    cancelled: "Cancelled" | "已取消";
    denied: "Denied" | "已拒绝";
    decided: "Decided" | "已决定";
    decided_by(verdict, who): "{0} by {1}" | "{1} {0}";
    sentence(verdict): "{0}." | "{0}。";
    sending(verdict): "{0}, sending." | "{0}，正在发送。";
    sending_slowly(verdict): "{0}, but the server has not answered yet." | "{0}，但服务器还没有回应。";
    not_delivered(verdict): "{0}, not delivered yet: the machine is offline." | "{0}，尚未送达：机器离线。";
    withdrawn: "The agent withdrew this question. Nothing was decided." | "代理撤回了这个问题，没有作出决定。";
    withdrawn_because(reason): "Withdrawn, nothing was decided: {0}." | "已撤回，没有作出决定：{0}。";
    withdrawn_too_late(reason): "Too late, it did not run: {0}." | "太迟了，没有运行：{0}。";
    agent_withdrew: "the agent withdrew it" | "代理撤回了它";
    process_gone: "the process that asked is gone" | "提出请求的进程已不存在";
    did_not_run(reason): "It did not run: {0}." | "没有运行：{0}。";
    bridge_refused: "the bridge refused the decision" | "桥接程序拒绝了这个决定";
    file_moved_on: "The file changed meanwhile, so this did not run. The agent was told to read it again and to ask again." | "文件在此期间被更改，所以没有运行。已告知代理重新读取文件并再次提出请求。";
    nobody_decided: "Nobody decided in time. It did not run." | "没有人及时决定，没有运行。";
    late_online: "The agent has not got this yet, though its bridge is connected. It is delivered as soon as the bridge takes it. If this stays, look at that machine, or stop the agent." | "代理还没有收到，尽管桥接程序已连接。桥接程序一接收就会送达。如果一直这样，请检查那台机器，或停止代理。";
    late_offline: "The agent has not got this yet: its bridge is offline. The decision is kept and delivered when the bridge is back. If it does not come back, start it again on that machine." | "代理还没有收到：桥接程序离线。决定会被保留，等它恢复后送达。如果它没有恢复，请在那台机器上重新启动它。";

    // What the machine says about a click that came to nothing.
    changed_under: "The request changed in this moment. Nothing was sent: read it again." | "请求刚刚发生了变化，没有发送任何内容：请重新阅读。";
    not_connected: "Not connected, so nothing was sent. Decide again once the connection is back." | "未连接，没有发送任何内容。连接恢复后请重新决定。";
    no_answer: "The server did not answer. If the request still waits, decide again." | "服务器没有回应。如果请求仍在等待，请重新决定。";
}

/// What the machine says, in the language of the page; the server's own words stay as they are.
#[must_use]
pub fn machine(said: &str) -> Option<&'static str> {
    let known = [changed_under as fn() -> &'static str, not_connected, no_answer];
    let english = ["The request changed", "Not connected,", "The server did not answer"];
    english.iter().position(|begins| said.starts_with(begins)).map(|at| known[at]())
}
