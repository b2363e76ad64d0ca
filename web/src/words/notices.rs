//! What the log and the server say in English, in the language of the page: notices of the bridge, of the ingress and of
//! the transcript itself, known by their whole wording. What is not known word for word, and whatever an agent or a
//! command says, is shown as it came.

use super::Language;

/// English as it is said, and Chinese; of two that fit, the one that says more stands first.
const KNOWN: &[(&str, &str)] = &[
    // What became of the agent.
    ("The agent ended (exit code {0}): {1}", "代理已结束（退出码 {0}）：{1}"),
    ("The agent ended (exit code {0})", "代理已结束（退出码 {0}）"),
    ("The agent ended (ended by signal {0}): {1}", "代理已结束（被信号 {0} 终止）：{1}"),
    ("The agent ended (ended by signal {0})", "代理已结束（被信号 {0} 终止）"),
    ("The agent ended (no exit code): {0}", "代理已结束（无退出码）：{0}"),
    ("The agent ended (no exit code)", "代理已结束（无退出码）"),
    ("The agent could not be started: {0}", "代理无法启动：{0}"),
    ("The agent ended together with the bridge that ran it.", "代理随运行它的桥接程序一起结束了。"),
    ("The agent ended.", "代理已结束。"),
    ("The agent is being ended: {0}.", "正在结束代理：{0}。"),
    (
        "This machine runs as many agents as it may, and all of them are busy. The session waits here for a place, and what you sent is kept until then.",
        "这台机器运行的代理已达上限，且都在忙。会话在此等待空位，你发送的内容会保留到那时。",
    ),
    (
        "This machine runs as many agents as it may, and another session needs the place: the agent was idle longest and is being ended. The next message starts a new one.",
        "这台机器运行的代理已达上限，另一个会话需要空位：此代理空闲最久，正在结束。下一条消息会启动新的代理。",
    ),
    (
        "The bridge was restarted while another one spoke for this session: up to {0} events its agent had printed are not in the log.",
        "桥接程序重启期间由另一个桥接程序代表此会话：其代理输出的最多 {0} 个事件不在日志中。",
    ),
    (
        "The bridge ended right after a tool was allowed (request {0}): nobody knows whether it ran.",
        "桥接程序在工具刚被允许（请求 {0}）后就结束了：无人知道它是否运行过。",
    ),
    (
        "The server was set back to an earlier state, and what happened since was lost there. This machine says the last of it again; the {0} events before that are gone.",
        "服务器被恢复到较早的状态，之后的内容在那里丢失了。这台机器重新发送了最后一部分；更早的 {0} 个事件已丢失。",
    ),
    (
        "The working tree of this session is kept at {0} (branch {1}): {2}.",
        "此会话的工作树保留在 {0}（分支 {1}）：{2}。",
    ),
    (
        "The agent could not take up its earlier conversation ({0}). It begins a new one, and remembers nothing of what stands above.",
        "代理无法接续之前的对话（{0}）。它开始新的对话，不记得上面的任何内容。",
    ),
    (
        "The agent could not take up its earlier conversation. It begins a new one, and remembers nothing of what stands above.",
        "代理无法接续之前的对话。它开始新的对话，不记得上面的任何内容。",
    ),
    (
        "Taken out of the archive by {0}. The next agent may begin anew and remember nothing of what stands above.",
        "{0} 已取消归档。下一个代理可能重新开始，不记得上面的任何内容。",
    ),
    // What did not pass.
    ("An event of the agent was refused by the server: {0}", "代理的一个事件被服务器拒绝：{0}"),
    ("A request of the agent was denied by the bridge: {0}", "代理的一个请求被桥接程序拒绝：{0}"),
    (
        "The agent asked something that cannot be read ({0}) nor answered: it has no readable id.",
        "代理的一个请求无法读取（{0}），也无法回答：它没有可读的标识。",
    ),
    (
        "The agent asked something that cannot be read: {0}. It was told so.",
        "代理的一个请求无法读取：{0}。已告知代理。",
    ),
    (
        "The agent asked for `{0}`, which is not supported here. It was told so.",
        "代理请求了这里不支持的 `{0}`。已告知代理。",
    ),
    (
        "The agent printed {0} bytes that are no text. They were dropped.",
        "代理输出了 {0} 字节非文本内容，已丢弃。",
    ),
    (
        "The agent printed a line that only the bridge writes. It was dropped.",
        "代理输出了一行只有桥接程序才能写的内容，已丢弃。",
    ),
    ("The agent printed a line that is no event: {0}", "代理输出了一行不是事件的内容：{0}"),
    ("A message was not given to the agent: {0}.", "有一条消息没有交给代理：{0}。"),
    ("An event of {0} bytes was too large to keep.", "一个 {0} 字节的事件太大，无法保存。"),
    ("An event that cannot be shown: {0}.", "一个无法显示的事件：{0}。"),
    ("A block of type “{0}”.", "类型为“{0}”的内容块。"),
    ("An image.", "一张图片。"),
    // The model's API and the account.
    (
        "The model's API failed ({0}); try {1} of {2} in {3} s.",
        "模型接口出错（{0}）；{3} 秒后重试，第 {1} 次，共 {2} 次。",
    ),
    ("The model's API failed ({0}); try {1} of {2}.", "模型接口出错（{0}）；第 {1} 次重试，共 {2} 次。"),
    ("The model's API failed ({0}); try {1} in {2} s.", "模型接口出错（{0}）；{2} 秒后第 {1} 次重试。"),
    ("The model's API failed ({0}); try {1}.", "模型接口出错（{0}）；第 {1} 次重试。"),
    ("The account reached its rate limit.", "账户已达到速率限制。"),
    ("The account is close to its rate limit.", "账户接近速率限制。"),
    // The conversation.
    (
        "The conversation was compacted by itself: {0} tokens became {1}.",
        "对话已自动压缩：{0} 个词元变为 {1} 个。",
    ),
    ("The conversation was compacted by itself: it had {0} tokens.", "对话已自动压缩：原有 {0} 个词元。"),
    ("The conversation was compacted by itself.", "对话已自动压缩。"),
    ("The conversation was compacted: {0} tokens became {1}.", "对话已压缩：{0} 个词元变为 {1} 个。"),
    ("The conversation was compacted: it had {0} tokens.", "对话已压缩：原有 {0} 个词元。"),
    ("The conversation was compacted.", "对话已压缩。"),
    ("The conversation could not be compacted: {0}", "对话无法压缩：{0}"),
    (
        "A new conversation begins; the agent forgot everything above.",
        "新的对话开始了；代理已忘记上面的一切。",
    ),
    ("The agent goes on under another conversation's id.", "代理以另一个对话标识继续。"),
    (
        "This agent cannot take up an earlier conversation: it begins anew.",
        "此代理无法接续之前的对话：它重新开始。",
    ),
    ("The agent took back what stood here.", "代理撤回了这里的内容。"),
    ("The agent could not write its own record to disk.", "代理无法把自己的记录写入磁盘。"),
    ("Added by the agent: {0}", "由代理添加：{0}"),
    ("The result of an earlier tool call: {0}", "较早的工具调用的结果：{0}"),
    ("A tool was denied by a rule.", "一个工具被规则拒绝。"),
    ("Interrupted.", "已中断。"),
    // Why a turn failed.
    ("The turn reached its limit of steps.", "这一轮达到了步数上限。"),
    ("The turn reached its budget.", "这一轮达到了预算上限。"),
    ("The turn ended with an error.", "这一轮出错结束。"),
    // What the server answers.
    ("The server refused it.", "服务器拒绝了它。"),
    ("The server did not answer.", "服务器没有响应。"),
    ("this session was archived and takes nothing any more", "此会话已归档，不再接收任何内容"),
    ("this session was archived: nothing of it runs", "此会话已归档：没有任何进程在运行"),
    ("this session is not archived", "此会话未归档"),
    ("this session was archived before", "此会话之前已归档"),
    ("there is no such session", "没有这个会话"),
    (
        "no bridge holds this session now, so its agent cannot be stopped from here",
        "目前没有桥接程序持有此会话，无法从这里停止其代理",
    ),
];

/// What stands in one of them and is ours too: the cause of a failure.
const PARTS: &[(&str, &str)] = &[
    ("status {0}", "状态 {0}"),
    ("the connection was cut", "连接中断"),
    ("no reason was given", "未说明原因"),
];

/// The notice in the language that is spoken, where it is one of these word for word.
#[must_use]
pub fn notice(said: &str) -> String {
    match Language::spoken() {
        Language::English => said.to_owned(),
        Language::Chinese => in_chinese(said).unwrap_or_else(|| said.to_owned()),
    }
}

fn in_chinese(said: &str) -> Option<String> {
    translated(KNOWN, said, |value| {
        translated(PARTS, value, str::to_owned).unwrap_or_else(|| value.to_owned())
    })
}

fn translated(known: &[(&str, &str)], said: &str, value: impl Fn(&str) -> String) -> Option<String> {
    let (values, chinese) =
        known.iter().find_map(|(english, chinese)| Some((values(english, said)?, chinese)))?;
    let values: Vec<String> = values.into_iter().map(value).collect();
    let shown: Vec<&dyn std::fmt::Display> =
        values.iter().map(|value| value as &dyn std::fmt::Display).collect();
    Some(super::fill(chinese, &shown))
}

/// What stands in `said` at the places of `pattern`, which are numbered in order; `None` where it is worded otherwise.
fn values<'a>(pattern: &str, said: &'a str) -> Option<Vec<&'a str>> {
    let mut literals = pattern.split('{').enumerate().map(|(at, part)| match at {
        0 => part,
        _ => part.split_once('}').map_or("", |(_, rest)| rest),
    });
    let mut rest = said.strip_prefix(literals.next()?)?;
    let literals: Vec<&str> = literals.collect();
    let mut values = Vec::with_capacity(literals.len());
    for (at, literal) in literals.iter().enumerate() {
        let is_last = at + 1 == literals.len();
        let end = if is_last { rest.strip_suffix(literal)?.len() } else { rest.find(literal)? };
        values.push(&rest[..end]);
        rest = &rest[end + literal.len()..];
    }
    (rest.is_empty() && values.iter().all(|value| !value.is_empty())).then_some(values)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_ours_is_said_in_the_language_of_the_page() {
        let said = |text| in_chinese(text).unwrap();
        assert_eq!(said("The agent ended (exit code 1)"), "代理已结束（退出码 1）");
        assert_eq!(
            said("The agent ended (exit code 1): no such (file)"),
            "代理已结束（退出码 1）：no such (file)"
        );
        assert_eq!(
            said("The model's API failed (status 529); try 2 of 10 in 1.5 s."),
            "模型接口出错（状态 529）；1.5 秒后重试，第 2 次，共 10 次。"
        );
        assert_eq!(
            said("The model's API failed (the connection was cut); try 1."),
            "模型接口出错（连接中断）；第 1 次重试。"
        );
        assert_eq!(
            said("The conversation was compacted by itself: 9 tokens became 3."),
            "对话已自动压缩：9 个词元变为 3 个。"
        );
    }

    #[test]
    fn what_is_not_ours_word_for_word_stays_as_it_came() {
        for text in [
            "",
            "The agent ended (exit code 1",
            "the agent ended.",
            "Interrupted. Really",
            "rm -rf {0}",
            "The agent ended (exit code )",
        ] {
            assert_eq!(in_chinese(text), None, "{text}");
        }
        assert_eq!(
            in_chinese("Added by the agent: {1} {0}").unwrap(),
            "由代理添加：{1} {0}",
            "no pattern in a value"
        );
        Language::Chinese.set();
        assert_eq!((notice("Interrupted."), notice("Hello.")), ("已中断。".to_owned(), "Hello.".to_owned()));
        Language::English.set();
        assert_eq!(notice("Interrupted."), "Interrupted.");
    }

    #[test]
    fn both_languages_have_the_same_places() {
        for (english, chinese) in KNOWN.iter().chain(PARTS) {
            let places = |text: &str| {
                let mut all: Vec<&str> = text
                    .split('{')
                    .skip(1)
                    .filter_map(|part| part.split_once('}'))
                    .map(|(at, _)| at)
                    .collect();
                all.sort_unstable();
                all.join(",")
            };
            assert_eq!(places(english), places(chinese), "{english}");
        }
    }

    /// A wording that changed where it is said would quietly be shown in English.
    #[cfg(not(target_arch = "wasm32"))]
    #[test]
    fn each_wording_stands_where_it_is_said() {
        let mut sources = String::new();
        let mut folders = vec![std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../crates")];
        while let Some(folder) = folders.pop() {
            for entry in std::fs::read_dir(folder).unwrap() {
                let path = entry.unwrap().path();
                if path.is_dir() {
                    folders.push(path);
                } else if path.extension().is_some_and(|ending| ending == "rs") {
                    // A text that goes on in the next line.
                    let text = std::fs::read_to_string(&path).unwrap();
                    sources.extend(text.split("\\\n").map(str::trim_start));
                }
            }
        }
        for (english, _) in KNOWN.iter().chain(PARTS) {
            let literals = english.split('{').enumerate().map(|(at, part)| match at {
                0 => part,
                _ => part.split_once('}').map_or("", |(_, rest)| rest),
            });
            let longest = literals.max_by_key(|literal| literal.len()).unwrap();
            // Some are put together of parts that are said alone.
            let stands = |literal: &str| sources.contains(literal.trim());
            let parts = [
                "The agent could not take up its earlier conversation",
                "The agent ended (",
                "The model's API failed (",
                "The conversation was compacted",
            ];
            assert!(
                stands(longest) || parts.iter().any(|part| english.starts_with(part) && stands(part)),
                "{english}"
            );
        }
    }
}
