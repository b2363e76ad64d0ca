//! One open request as the gate shows it: what is asked in plain words, the exact text, what stands out, and which
//! answers there are.

use std::sync::Arc;

use portcullis_protocol::RawJson;
use portcullis_protocol::approval::form::Elicitation;
use portcullis_protocol::approval::{BaseFile, Kind, OptionKind};
use portcullis_protocol::wire::control::ToolRequest;
use serde::Deserialize;
use serde_json::{Map, Value};

use super::edit::Edit;
use super::exact::{Exact, literal};
use super::told::Told;
use crate::words::gate as words;

/// What an agent asks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ask {
    /// The agent's id of the request.
    pub request_id: String,
    /// Digest of the bytes that are shown.
    pub digest: String,
    /// When it was asked, ms since the Unix epoch.
    pub asked_at_ms: u64,
    /// The file it was asked on, by the server's record.
    pub base_file: Option<BaseFile>,
    /// Name of the tool.
    pub tool: String,
    /// What it comes to, in plain words.
    pub what: Told,
    /// The agent's remark beside the request.
    pub remark: Option<Told>,
    /// The sub-agent that asks.
    pub sub_agent: Option<String>,
    /// What stands out; hints, never a verdict.
    pub hints: Vec<Told>,
    /// The exact text.
    pub exact: Exact,
    /// Whether allowing waits until what is folded was shown.
    pub needs_reading: bool,
    /// The held input.
    pub input: RawJson,
    /// What the agent offers beside a plain "allow".
    pub suggestions: Vec<Suggestion>,
    /// The agent's own choices; where it has some, they are the only ones.
    pub options: Vec<AgentOption>,
    /// How it is answered.
    pub form: Form,
    /// Why it can only be denied, if so.
    pub denial_only: Option<&'static str>,
}

/// One offer of the agent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Suggestion {
    /// As the agent wrote it.
    pub raw: RawJson,
    /// The literal rule, for a person.
    pub literal: Told,
}

/// One choice of the agent's own.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AgentOption {
    /// What an answer names.
    pub id: String,
    /// The agent's words for it.
    pub name: Told,
    /// What it means.
    pub kind: OptionKind,
}

/// How a request is answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Form {
    /// Allow or deny.
    Permission,
    /// Choose.
    Questions(Vec<Question>),
    /// Approve a plan, as markdown.
    Plan(String),
    /// Accept or decline what a server of the agent asks.
    Elicitation(Arc<Elicitation>),
    /// Complete or cancel a dialog.
    Dialog,
}

/// One question.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Question {
    pub question: String,
    #[serde(default)]
    pub header: String,
    #[serde(default)]
    pub multi_select: bool,
    #[serde(default)]
    pub options: Vec<Choice>,
}

/// One answer to choose.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct Choice {
    pub label: String,
    #[serde(default)]
    pub description: String,
}

impl Ask {
    /// Reads the `request` object of a control request. `mismatch` says that the server recorded other bytes.
    #[must_use]
    pub fn read(request_id: &str, digest: &str, request: &RawJson, mismatch: bool, asked_at_ms: u64) -> Self {
        let kind = Kind::of(request);
        let tool = match kind {
            Kind::Tool => request.read::<ToolRequest>().ok(),
            Kind::Elicitation | Kind::Dialog => None,
        };
        let elicitation = Elicitation::read(request);
        let known = match kind {
            Kind::Tool => tool.is_some(),
            Kind::Elicitation => elicitation.is_ok(),
            Kind::Dialog => true,
        };
        let tool = tool.unwrap_or_else(|| unreadable(request));
        let denial_only = if mismatch {
            Some(words::other_bytes())
        } else if request.has_duplicate_keys() {
            Some(words::twice_a_field())
        } else if known {
            None
        } else {
            Some(words::unreadable_kind())
        };
        let exact = Exact::of(&tool.tool_name, &tool.input);
        let asks = match (kind, elicitation) {
            (Kind::Tool, _) => {
                Asks { tool: literal(&tool.tool_name), what: what(&tool.tool_name), form: form(&tool) }
            }
            (Kind::Elicitation, read) => Asks::elicitation(read.unwrap_or_else(|_| nothing())),
            (Kind::Dialog, _) => Asks::dialog(request),
        };
        let what = Told::literal(asks.what);
        let said = tool.description.as_deref();
        let remark = said.filter(|text| !text.is_empty() && !repeats(&tool, text)).map(Told::of);
        let (hints, suggestions, options) = (hints(&tool, &exact), suggestions(&tool), options(&tool));
        let offered = suggestions.iter().map(|offer| &offer.literal);
        let offered = offered.chain(options.iter().map(|option| &option.name));
        let folds = hints.iter().chain(&remark).chain(offered).chain([&what]).any(Told::is_folded);
        Self {
            needs_reading: exact.needs_reading || folds,
            request_id: request_id.to_owned(),
            digest: digest.to_owned(),
            asked_at_ms,
            base_file: None,
            what,
            remark,
            sub_agent: tool.agent_id.as_deref().map(literal),
            hints,
            suggestions,
            options,
            form: asks.form,
            denial_only,
            exact,
            tool: asks.tool,
            input: tool.input,
        }
    }

    /// The same, asked on this file.
    #[must_use]
    pub fn on(self, base_file: Option<BaseFile>) -> Self {
        Self { base_file, ..self }
    }

    /// What may be changed before allowing, `None` where an answer is not an edit or nothing may be allowed.
    #[must_use]
    pub fn edit(&self) -> Option<Edit> {
        let no_edit = self.denial_only.is_some() || self.exact.too_long || !self.options.is_empty();
        let editable = matches!(self.form, Form::Permission | Form::Plan(_));
        (!no_edit && editable).then(|| Edit::of(&self.tool, &self.input))
    }

    /// Whether `other` asks for just the same: everything that is shown of both is alike, and so are the bytes that run.
    #[must_use]
    pub fn is_like(&self, other: &Self) -> bool {
        let same_bytes = self.input.as_str() == other.input.as_str() && self.tool == other.tool;
        let same_words = self.what == other.what
            && self.base_file == other.base_file
            && self.remark == other.remark
            && self.sub_agent == other.sub_agent
            && self.hints == other.hints;
        let same_offers = self.suggestions == other.suggestions && self.options == other.options;
        same_bytes
            && same_words
            && same_offers
            && self.form == other.form
            && self.denial_only == other.denial_only
    }

    /// The input with `answers` put in, the rest as it came.
    #[must_use]
    pub fn answered(&self, answers: &[(String, String)]) -> RawJson {
        let answers: Map<String, Value> =
            answers.iter().map(|(q, a)| (q.clone(), Value::String(a.clone()))).collect();
        let text = self.input.as_str().trim_end();
        let Some(open) = text.strip_suffix('}') else { return self.input.clone() };
        let comma = if open.trim_end().ends_with('{') { "" } else { "," };
        let text = format!("{open}{comma}\"answers\":{}}}", RawJson::from_value(&answers).as_str());
        RawJson::parse(&text).unwrap_or_else(|_| self.input.clone())
    }
}

/// What differs between the kinds of request.
struct Asks {
    tool: String,
    what: String,
    form: Form,
}

impl Asks {
    fn elicitation(form: Elicitation) -> Self {
        Self {
            tool: "elicitation".into(),
            what: words::server_asks(literal(&form.server)),
            form: Form::Elicitation(Arc::new(form)),
        }
    }

    fn dialog(request: &RawJson) -> Self {
        #[derive(Deserialize)]
        struct Dialog {
            dialog_kind: String,
        }
        let kind = request.read::<Dialog>().map(|dialog| dialog.dialog_kind).unwrap_or_default();
        Self { tool: "dialog".into(), what: words::dialog_asks(literal(&kind)), form: Form::Dialog }
    }
}

/// Stands for a form that cannot be read.
fn nothing() -> Elicitation {
    Elicitation { server: String::new(), message: String::new(), url: None, fields: Vec::new() }
}

/// Whether the remark stands in the input too, where it is shown as the agent's words already.
fn repeats(tool: &ToolRequest, remark: &str) -> bool {
    #[derive(Deserialize)]
    struct Described {
        description: String,
    }
    tool.input.read::<Described>().is_ok_and(|input| input.description == remark)
}

fn unreadable(request: &RawJson) -> ToolRequest {
    ToolRequest {
        tool_name: String::new(),
        input: request.clone(),
        tool_use_id: None,
        description: None,
        permission_suggestions: None,
        blocked_path: None,
        decision_reason: None,
        agent_id: None,
        requires_user_interaction: false,
        permission_options: None,
    }
}

fn what(tool: &str) -> String {
    let plain = match tool {
        "Bash" => words::run_a_command(),
        "Write" => words::write_a_file(),
        "Edit" | "MultiEdit" => words::change_a_file(),
        "NotebookEdit" => words::change_a_notebook(),
        "Read" => words::read_a_file(),
        "Glob" => words::list_files(),
        "Grep" => words::search_in_files(),
        "WebFetch" => words::fetch_a_page(),
        "WebSearch" => words::search_the_web(),
        "AskUserQuestion" => words::a_question(),
        "ExitPlanMode" => words::a_plan(),
        "" => words::an_unknown_request(),
        other => {
            return match other.strip_prefix("mcp__").and_then(|rest| rest.split_once("__")) {
                Some((server, tool)) => words::use_of_server(literal(tool), literal(server)),
                None => words::use_tool(literal(other)),
            };
        }
    };
    plain.to_owned()
}

fn hints(tool: &ToolRequest, exact: &Exact) -> Vec<Told> {
    let mut hints = Vec::new();
    if exact.hidden > 0 {
        hints.push(words::hides(exact.hidden));
    }
    if exact.mixed_scripts {
        hints.push(words::mixes_scripts().into());
    }
    for host in &exact.hosts {
        hints.push(words::really_is(literal(&host.shown), &host.ascii));
    }
    if let Some(path) = &tool.blocked_path {
        hints.push(words::touches_outside(literal(path)));
    }
    if let Some(reason) = tool.decision_reason.as_deref().filter(|reason| !reason.trim().is_empty()) {
        hints.push(words::why_it_asks(literal(reason)));
    }
    hints.into_iter().map(Told::literal).collect()
}

fn suggestions(tool: &ToolRequest) -> Vec<Suggestion> {
    let offers = tool.permission_suggestions.as_deref().unwrap_or_default();
    offers.iter().map(|raw| Suggestion { literal: Told::literal(rule(raw)), raw: raw.clone() }).collect()
}

fn options(tool: &ToolRequest) -> Vec<AgentOption> {
    let options = tool.permission_options.as_deref().unwrap_or_default().iter();
    let option = options.map(|one| AgentOption {
        id: one.option_id.clone(),
        name: Told::of(&one.name),
        kind: one.kind.clone(),
    });
    option.collect()
}

/// A permission update word for word.
fn rule(raw: &RawJson) -> String {
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Update {
        #[serde(rename = "type")]
        kind: String,
        #[serde(default)]
        rules: Vec<Rule>,
        #[serde(default)]
        behavior: String,
        #[serde(default)]
        mode: String,
        #[serde(default)]
        directories: Vec<String>,
        #[serde(default)]
        destination: String,
    }
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Rule {
        tool_name: String,
        rule_content: Option<String>,
    }
    let Ok(update) = raw.read::<Update>() else { return literal(raw.as_str()) };
    let place = match update.destination.as_str() {
        "session" => words::for_this_session().to_owned(),
        "localSettings" => words::in_this_project().to_owned(),
        "projectSettings" => words::in_project_settings().to_owned(),
        "userSettings" => words::in_all_projects().to_owned(),
        other => words::in_place(literal(other)),
    };
    let rules = || {
        let each = update.rules.iter().map(|rule| match &rule.rule_content {
            Some(content) => format!("{}({})", literal(&rule.tool_name), literal(content)),
            None => literal(&rule.tool_name),
        });
        each.collect::<Vec<_>>().join(", ")
    };
    match update.kind.as_str() {
        "addRules" if update.behavior == "allow" => words::always_allow(rules(), place),
        "addRules" => words::always_do(literal(&update.behavior), rules(), place),
        "setMode" => words::switch_mode(literal(&update.mode), place),
        "addDirectories" => {
            let directories: Vec<String> = update.directories.iter().map(|path| literal(path)).collect();
            words::open_directory(directories.join(", "), place)
        }
        _ => literal(raw.as_str()),
    }
}

fn form(tool: &ToolRequest) -> Form {
    #[derive(Deserialize)]
    struct Questions {
        questions: Vec<Question>,
    }
    #[derive(Deserialize)]
    struct Plan {
        plan: String,
    }
    match tool.tool_name.as_str() {
        "AskUserQuestion" => match tool.input.read::<Questions>() {
            Ok(form) if !form.questions.is_empty() => Form::Questions(form.questions),
            Ok(_) | Err(_) => Form::Permission,
        },
        "ExitPlanMode" => tool.input.read::<Plan>().map_or(Form::Permission, |form| Form::Plan(form.plan)),
        _ => Form::Permission,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ask(request: &str) -> Ask {
        Ask::read("R", "d", &RawJson::parse(request).unwrap(), false, 0)
    }

    #[test]
    fn a_servers_question_shows_every_field_and_takes_an_answer_of_its_own() {
        let asked = ask(
            r#"{"subtype":"elicitation","mcp_server_name":"s\u202e","message":"Open it","mode":"url","url":"https://a.example/x"}"#,
        );
        assert!(
            matches!(&asked.form, Form::Elicitation(form) if form.url.as_deref() == Some("https://a.example/x"))
        );
        assert_eq!(asked.what.head, "A server that the agent calls “s⟨U+202E⟩” asks you");
        let names: Vec<&str> = asked.exact.fields.iter().map(|field| field.name.as_str()).collect();
        assert_eq!(names, ["subtype", "mcp_server_name", "message", "mode", "url"]);
        assert!(asked.edit().is_none() && asked.denial_only.is_none());
        let unreadable = ask(r#"{"subtype":"elicitation","requested_schema":7}"#);
        assert!(unreadable.denial_only.is_some());
        let dialog = ask(r#"{"subtype":"request_user_dialog","dialog_kind":"pick","payload":{"a":1.0}}"#);
        assert_eq!((dialog.form, dialog.denial_only), (Form::Dialog, None));
    }

    #[test]
    fn a_command_is_named_in_plain_words_with_each_offer_by_itself() {
        let got = ask(
            r#"{"subtype":"can_use_tool","tool_name":"Bash","input":{"command":"touch a"},"description":"Create","permission_suggestions":[{"type":"addRules","rules":[{"toolName":"Bash","ruleContent":"touch a"}],"behavior":"allow","destination":"localSettings"},{"type":"setMode","mode":"acceptEdits","destination":"session"},{"type":"novel","x":1}]}"#,
        );
        assert_eq!(
            (got.what.whole(), got.remark, got.denial_only),
            ("Run a command".into(), Some(Told::of("Create")), None)
        );
        let literals: Vec<String> = got.suggestions.iter().map(|offer| offer.literal.whole()).collect();
        assert_eq!(
            literals,
            [
                "always allow Bash(touch a) in this project, on this machine",
                "switch to the mode acceptEdits for this session",
                r#"{"type":"novel","x":1}"#
            ]
        );
    }

    #[test]
    fn bytes_the_server_did_not_record_can_only_be_denied() {
        let request = RawJson::parse(r#"{"subtype":"can_use_tool","tool_name":"Bash","input":{}}"#).unwrap();
        let other = Ask::read("R", "d", &request, true, 0);
        assert!(other.denial_only.is_some() && other.edit().is_none());
        assert!(Ask::read("R", "d", &request, false, 0).denial_only.is_none());
    }

    #[test]
    fn a_field_that_stands_twice_and_an_unknown_kind_can_only_be_denied() {
        assert!(
            ask(r#"{"subtype":"can_use_tool","tool_name":"Bash","input":{"command":"a","command":"b"}}"#)
                .denial_only
                .is_some()
        );
        let odd = ask(r#"{"subtype":"later_kind","payload":1}"#);
        assert!(odd.denial_only.is_some() && odd.exact.fields.len() == 2);
    }

    #[test]
    fn answers_are_put_into_the_held_bytes() {
        let got = ask(
            r#"{"subtype":"can_use_tool","tool_name":"AskUserQuestion","input":{"questions":[{"question":"Which?","header":"H","multiSelect":true,"options":[{"label":"A"},{"label":"B","description":"b"}]}], "n":1.0}}"#,
        );
        let Form::Questions(questions) = &got.form else { panic!("no form") };
        assert!(questions[0].multi_select && questions[0].options.len() == 2);
        assert_eq!(
            got.answered(&[("Which?".into(), "A, \"B\"".into())]).as_str(),
            r#"{"questions":[{"question":"Which?","header":"H","multiSelect":true,"options":[{"label":"A"},{"label":"B","description":"b"}]}], "n":1.0,"answers":{"Which?":"A, \"B\""}}"#
        );
    }

    #[test]
    fn only_what_is_the_same_to_the_last_byte_is_alike() {
        let bash = |input: &str, more: &str| {
            ask(&format!(r#"{{"subtype":"can_use_tool","tool_name":"Bash","input":{input}{more}}}"#))
        };
        let one = bash(r#"{"command":"ls"}"#, r#","tool_use_id":"a""#);
        assert!(one.is_like(&bash(r#"{"command":"ls"}"#, r#","tool_use_id":"b""#)));
        assert!(!one.is_like(&bash(r#"{"command":"ls "}"#, "")));
        assert!(!one.is_like(&bash(r#"{ "command":"ls"}"#, "")));
        assert!(!one.is_like(&bash(r#"{"command":"ls"}"#, r#","agent_id":"sub""#)));
        assert!(!one.is_like(&one.clone().on(Some(BaseFile::New))));
    }

    #[test]
    fn an_agents_own_options_are_the_only_choices_and_take_no_edit() {
        let got = ask(
            r#"{"subtype":"can_use_tool","tool_name":"Edit","input":{},"permission_options":[{"option_id":"a","name":"Yes\u202e","kind":"allow_once"},{"option_id":"y","name":"For a year","kind":"allow_for_a_year"}]}"#,
        );
        assert_eq!(
            (got.options[0].name.head.as_str(), &got.options[0].kind),
            ("Yes⟨U+202E⟩", &OptionKind::AllowOnce)
        );
        assert_eq!(got.options[1].kind.allows(), None);
        assert!(got.edit().is_none());
    }

    #[test]
    fn a_remark_that_stands_in_the_input_is_not_said_twice() {
        let remark = |input: &str| {
            ask(&format!(
                r#"{{"subtype":"can_use_tool","tool_name":"Bash","input":{input},"description":"List"}}"#
            ))
            .remark
        };
        assert_eq!(remark(r#"{"command":"ls","description":"List"}"#), None);
        assert_eq!(remark(r#"{"command":"ls","description":"Other"}"#), Some(Told::of("List")));
    }

    #[test]
    fn what_hides_in_a_tool_name_or_a_remark_is_named() {
        let got = ask(
            r#"{"subtype":"can_use_tool","tool_name":"mcp__a__b\u202e","input":{},"description":"x\u200b"}"#,
        );
        assert_eq!(got.what.whole(), "Use b⟨U+202E⟩ of a");
        assert_eq!(got.remark.map(|told| told.whole()).as_deref(), Some("x⟨U+200B⟩"));
    }

    #[test]
    fn a_long_reason_path_or_rule_is_folded_and_has_to_be_shown_before_allowing() {
        let long = "x".repeat(5_000);
        for field in [
            format!(r#""decision_reason":"{long}""#),
            format!(r#""blocked_path":"{long}""#),
            format!(
                r#""permission_suggestions":[{{"type":"setMode","mode":"{long}","destination":"session"}}]"#
            ),
        ] {
            let got = ask(&format!(
                r#"{{"subtype":"can_use_tool","tool_name":"Bash","input":{{"command":"ls"}},{field}}}"#
            ));
            assert!(got.needs_reading && !got.exact.needs_reading, "{field}");
        }
    }
}
