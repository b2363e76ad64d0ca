//! From the agent's start to a conversation: who it is, what it can, and either a new session or one that goes on. What
//! the agent wants first, a login above all, is said in words a person can follow.

use agent_client_protocol::schema::ProtocolVersion;
use agent_client_protocol::v1::schema::{
    AuthMethod, ClientCapabilities, FileSystemCapabilities, Implementation, InitializeRequest,
    InitializeResponse, LoadSessionRequest, NewSessionRequest, ResumeSessionRequest,
};
use portcullis_protocol::role::PermissionMode;
use serde::{Deserialize as _, Serialize};
use serde_json::{Value, json};

use super::{AUTH_REQUIRED, Agent, AgentError, Machine, Waiting};

/// Time for an agent to say all of itself before the host is told what is known, in ms: a host waits 30 s.
const INTRODUCTION_MS: u64 = 20_000;
/// Time for its commands, which come a moment after the session, in ms.
const COMMANDS_MS: u64 = 1_500;

/// How far the conversation is.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Phase {
    /// The agent was asked who it is.
    Greeting,
    /// A session is being opened. What an agent repeats of an old one is in the host's log already.
    Opening {
        resumes: bool,
    },
    Ready,
    /// The agent does not open a session; the next prompt tries again.
    Refused(Why),
}

/// Quiet after the last word of a conversation that was loaded, and the longest wait for it, in ms: the protocol wants all
/// of it before the answer, and some agents go on after it.
const QUIET_MS: u64 = 500;
const SETTLING_MS: u64 = 10_000;

/// An agent that may still repeat what was said in an earlier life.
#[derive(Debug)]
pub(super) struct Settling {
    quiet_at_ms: u64,
    latest_ms: u64,
}

impl Settling {
    fn from(now_ms: u64) -> Self {
        Self { quiet_at_ms: now_ms + QUIET_MS, latest_ms: now_ms + SETTLING_MS }
    }

    pub(super) fn ends_at_ms(&self) -> u64 {
        self.quiet_at_ms.min(self.latest_ms)
    }
}

/// Why there is no session.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Why {
    pub(super) text: String,
    /// A login would help.
    pub(super) is_login: bool,
}

impl Machine {
    pub(super) fn greet(&mut self) {
        let files = FileSystemCapabilities::new().read_text_file(true).write_text_file(true);
        let request = InitializeRequest::new(ProtocolVersion::V1)
            .client_capabilities(ClientCapabilities::new().fs(files).terminal(true))
            .client_info(
                Implementation::new("portcullis", env!("CARGO_PKG_VERSION")).title("Portcullis".to_owned()),
            );
        self.call("initialize", written(&request), Waiting::Initialize);
    }

    pub(super) fn handle_greeted(&mut self, reply: Result<Value, AgentError>) {
        let answer = match reply {
            Ok(answer) => answer,
            Err(error) => return self.refuse(format!("The agent does not start: {}", error.text())),
        };
        let Ok(answer) = InitializeResponse::deserialize(&answer) else {
            return self.refuse("The agent's first answer cannot be read: it does not speak ACP.".to_owned());
        };
        if answer.protocol_version != ProtocolVersion::V1 {
            let version = answer.protocol_version;
            return self.refuse(format!(
                "The agent speaks version {version} of ACP, and only version 1 is known here."
            ));
        }
        let info = answer.agent_info;
        let is_named = |part: &str| info.as_ref().is_some_and(|info| info.name.contains(part));
        let (is_claude, wants_empty_files) = (is_named("claude"), is_named("gemini-cli"));
        let can = answer.agent_capabilities;
        self.agent = Agent {
            name: info
                .as_ref()
                .map(|info| info.title.clone().unwrap_or_else(|| info.name.clone()))
                .unwrap_or_default(),
            version: info.as_ref().map(|info| info.version.clone()).unwrap_or_default(),
            takes: can.prompt_capabilities,
            can_load: can.load_session,
            can_resume: can.session_capabilities.resume.is_some(),
            can_add_dirs: can.session_capabilities.additional_directories.is_some(),
            wants_empty_files,
            logins: answer.auth_methods.iter().map(login).collect(),
        };
        self.offered.is_claude = is_claude;
        self.open();
    }

    /// Opens the session that was asked for, or a new one.
    pub(super) fn open(&mut self) {
        let cwd = self.options.directory.clone();
        let more = if self.agent.can_add_dirs { self.options.add_dirs.clone() } else { Vec::new() };
        let (method, params, resumes) = match self.options.resume.clone() {
            Some(id) if self.agent.can_resume => {
                let request = ResumeSessionRequest::new(id, cwd).additional_directories(more);
                ("session/resume", written(&request), true)
            }
            Some(id) if self.agent.can_load => {
                let request = LoadSessionRequest::new(id, cwd).additional_directories(more);
                ("session/load", written(&request), true)
            }
            resume => {
                if resume.is_some() {
                    self.options.resume = None;
                    self.inform(
                        "warning",
                        "This agent cannot take up an earlier conversation: it begins anew.",
                    );
                }
                let request = NewSessionRequest::new(cwd).additional_directories(more);
                ("session/new", written(&request), false)
            }
        };
        self.phase = Phase::Opening { resumes };
        self.call(method, params, Waiting::Open { resumes });
    }

    pub(super) fn handle_opened(&mut self, reply: Result<Value, AgentError>, resumes: bool) {
        let answer = match reply {
            Ok(answer) => answer,
            Err(error) if error.code == AUTH_REQUIRED => {
                let text = self.login_text(&error);
                let fields = json!({"isAuthenticating": false, "output": self.agent.logins, "error": text});
                let line = self.scribe.line(&*self.outside, "auth_status", fields);
                self.say(line);
                return self.refuse_for(Why { text, is_login: true });
            }
            Err(error) if resumes => {
                let why = error.text();
                let words =
                    format!("The agent did not take up the earlier conversation ({why}): it begins anew.");
                self.inform("warning", &words);
                self.options.resume = None;
                return self.open();
            }
            Err(error) => return self.refuse(format!("The agent opened no session: {}", error.text())),
        };
        let given = answer.get("sessionId").and_then(Value::as_str).map(str::to_owned);
        let Some(id) = given.or_else(|| self.options.resume.clone().filter(|_| resumes)) else {
            return self.refuse("The agent opened a session without an id.".to_owned());
        };
        self.scribe.session_id = if is_wire_id(&id) { id.clone() } else { self.outside.uuid() };
        self.conversation = id;
        self.offered.read_session(&answer);
        self.phase = Phase::Ready;
        let loads = resumes && !self.agent.can_resume;
        self.settling = loads.then(|| Settling::from(self.outside.unix_ms()));
        self.tell_model();
        self.begin_in_mode();
        self.begin_with_model();
        self.introduce_at_ms =
            Some(self.outside.unix_ms() + COMMANDS_MS).filter(|_| !self.introductions.is_empty());
        if !self.commands.is_empty() {
            self.introduce();
        }
        self.start_turn();
    }

    /// Something of the earlier life came: more of it may follow.
    pub(super) fn go_on_settling(&mut self) {
        let now_ms = self.outside.unix_ms();
        if let Some(settling) = &mut self.settling {
            settling.quiet_at_ms = now_ms + QUIET_MS;
        }
    }

    /// Whether a later process of this agent can go on in this conversation, by the name it has on this wire.
    pub(super) fn can_be_taken_up(&self) -> bool {
        (self.agent.can_resume || self.agent.can_load) && self.scribe.session_id == self.conversation
    }

    /// No session, and why. Whoever waits is told.
    fn refuse(&mut self, text: String) {
        self.refuse_for(Why { text, is_login: false });
    }

    fn refuse_for(&mut self, why: Why) {
        if self.queue.is_empty() {
            self.inform("warning", &why.text);
        }
        self.phase = Phase::Refused(why);
        self.introduce();
        self.refuse_queue();
        self.end_if_done();
    }

    /// Which login the agent wants, for a person at that machine.
    pub(super) fn login_text(&self, error: &AgentError) -> String {
        let program =
            self.options.program.iter().map(|word| word.to_string_lossy()).collect::<Vec<_>>().join(" ");
        let ways = if self.agent.logins.is_empty() {
            String::new()
        } else {
            format!(" It knows these ways: {}.", self.agent.logins.join("; "))
        };
        format!(
            "The agent wants you to log in first ({}).{ways} Do that on the machine it runs on, with the agent's own \
             command ({program}), and send your message again.",
            error.text()
        )
    }

    /// Brings the agent into the mode the session was started in.
    fn begin_in_mode(&mut self) {
        let wanted = self.mode;
        let current = self.offered.modes.current.clone();
        let meant = current.as_deref().and_then(|id| self.offered.meaning(id));
        if meant == Some(wanted) {
            return;
        }
        if let Some(id) = self.offered.mode_for(wanted).map(|choice| choice.id.clone()) {
            self.set_agent_mode(&id, None, wanted);
            return;
        }
        // A lax mode of the agent's own is said by its name here, so that whoever allowed none learns of it.
        if let Some(meant) = meant {
            self.change_mode(meant);
        }
        self.tell_own_mode();
        if wanted == PermissionMode::Plan {
            self.inform("warning", NO_PLAN_MODE);
        }
    }

    /// Says which mode of its own the agent works in, where no mode here means the same.
    pub(super) fn tell_own_mode(&mut self) {
        let Some(id) = self.offered.modes.current.clone() else { return };
        if self.offered.meaning(&id).is_some() {
            return;
        }
        let name = self.offered.modes.current_name().unwrap_or_default();
        let words = format!(
            "The agent works in a mode of its own, “{name}” ({id}): what it does without asking is the agent's rule."
        );
        self.inform("notice", &words);
    }

    fn begin_with_model(&mut self) {
        let Some(model) = self.options.model.clone() else { return };
        if self.offered.models.current.as_deref() == Some(&model) {
            return;
        }
        if self.offered.models.get(&model).is_some() {
            self.set_agent_model(&model, None);
        } else {
            self.inform("warning", &format!("The agent offers no model “{model}” and keeps its own."));
        }
    }

    pub(super) fn tell_model(&mut self) {
        let current = self.offered.models.current.clone();
        let name = Some(self.agent.name.clone()).filter(|name| !name.is_empty());
        self.scribe.model = current.or(name).unwrap_or_else(|| "acp".to_owned());
    }

    /// Tells the host who the agent is, as far as it is known.
    pub(super) fn handle_initialize(&mut self, request_id: Option<String>) {
        self.introductions.push(request_id);
        let is_known = match &self.phase {
            Phase::Refused(_) => true,
            Phase::Ready => !self.commands.is_empty(),
            Phase::Greeting | Phase::Opening { .. } => false,
        };
        if is_known {
            return self.introduce();
        }
        let patience = if self.phase == Phase::Ready { COMMANDS_MS } else { INTRODUCTION_MS };
        self.introduce_at_ms.get_or_insert(self.outside.unix_ms() + patience);
    }

    pub(super) fn introduce(&mut self) {
        self.introduce_at_ms = None;
        let payload = json!({
            "commands": self.commands, "agents": [], "output_style": "default",
            "available_output_styles": ["default"], "models": self.offered.listed_models(), "account": {},
            "claude_code_version": concat!("portcullis-", env!("CARGO_PKG_VERSION")),
            "current_permission_mode": self.mode.as_str(), "agent_modes": self.offered.listed_modes(),
            "agent": {"name": self.agent.name, "version": self.agent.version},
            "capabilities": ["msg_lifecycle_v1", "interrupt_receipt_v1", "interrupt_cancel_queued_v1"],
        });
        for request_id in std::mem::take(&mut self.introductions) {
            self.succeed(request_id.as_deref(), Some(payload.clone()));
        }
    }
}

/// Said where a plan is only as safe as what the agent asks for.
pub(super) const NO_PLAN_MODE: &str = "This agent has no plan mode of its own: what it asks for is refused, and what \
                                       it does without asking cannot be seen from here.";

fn login(method: &AuthMethod) -> String {
    let (name, description) = match method {
        AuthMethod::Terminal(method) => (&method.name, method.description.as_deref()),
        AuthMethod::Agent(method) => (&method.name, method.description.as_deref()),
        _ => return "one that is not known here".to_owned(),
    };
    description.map_or_else(|| name.clone(), |description| format!("{name} ({description})"))
}

/// Whether an id of the agent's can stand as it is where this wire has ids.
fn is_wire_id(id: &str) -> bool {
    (1..=64).contains(&id.len()) && id.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_')
}

pub(super) fn written(request: &impl Serialize) -> Value {
    serde_json::to_value(request).unwrap_or_default()
}
