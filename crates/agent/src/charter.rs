//! What the host wants this session to be: instructions, sub-agents, the form of the answer, limits, hooks. Flags say
//! some of it, `initialize` the rest, and what is said later counts.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::{Map, Value};

use crate::{hooks::Hooks, model::messages::request::Thinking, tools};

/// Kinds of sub-agents a host may define.
const AGENTS_MAX: usize = 64;
/// Longest instructions of any kind, in bytes.
const PROMPT_BYTES_MAX: usize = 1024 * 1024;
/// The kind of sub-agent that is always there.
pub(crate) const GENERAL_AGENT: &str = "general-purpose";
const GENERAL_PURPOSE: &str = "Works on a task of several steps with all tools";
/// The tool by which an answer of a given form is given.
pub(crate) const STRUCTURED_OUTPUT: &str = "StructuredOutput";

/// A kind of sub-agent the host defined.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(crate) struct AgentDefinition {
    pub(crate) description: String,
    /// Its instructions.
    pub(crate) prompt: String,
    /// The tools it may use; `None` for all.
    pub(crate) tools: Option<Vec<String>>,
    pub(crate) disallowed_tools: Vec<String>,
    pub(crate) model: Option<String>,
}

/// The host's wishes. The default is an agent with its own instructions and no limits.
#[derive(Debug, Clone, Default)]
pub(crate) struct Charter {
    /// Replaces the agent's own instructions, also by nothing.
    pub(crate) system_prompt: Option<String>,
    pub(crate) append_system_prompt: Option<String>,
    pub(crate) plan_mode_instructions: Option<String>,
    pub(crate) agents: BTreeMap<String, AgentDefinition>,
    /// The form the final answer must have.
    pub(crate) json_schema: Option<Value>,
    /// The tools to offer; `None` for all.
    pub(crate) tools: Option<Vec<String>>,
    /// Requests to the model that one turn may make.
    pub(crate) max_turns: Option<u64>,
    pub(crate) max_budget_usd: Option<f64>,
    pub(crate) thinking: Thinking,
    pub(crate) effort: Option<String>,
    /// Whether a sub-agent's text is wanted.
    pub(crate) forward_subagent_text: bool,
    pub(crate) hooks: Hooks,
}

impl Charter {
    /// Takes over what an `initialize` request says; what it leaves out stays.
    pub(crate) fn take(&mut self, request: &Value) {
        let text = |key: &str| {
            request.get(key).and_then(Value::as_str).filter(|text| text.len() <= PROMPT_BYTES_MAX)
        };
        self.system_prompt = prompt_of(request.get("systemPrompt")).or(self.system_prompt.take());
        self.append_system_prompt =
            text("appendSystemPrompt").map(str::to_owned).or(self.append_system_prompt.take());
        self.plan_mode_instructions =
            text("planModeInstructions").map(str::to_owned).or(self.plan_mode_instructions.take());
        if let Some(agents) = request.get("agents").and_then(Value::as_object) {
            self.define_agents(agents);
        }
        if let Some(schema) = request.get("jsonSchema").filter(|schema| schema.is_object()) {
            self.json_schema = Some(schema.clone());
        }
        if let Some(forward) = request.get("forwardSubagentText").and_then(Value::as_bool) {
            self.forward_subagent_text = forward;
        }
        if let Some(hooks) = request.get("hooks").and_then(Value::as_object) {
            self.hooks = Hooks::from_json(hooks);
        }
    }

    /// Takes over definitions of sub-agents; one that makes no sense is left out.
    pub(crate) fn define_agents(&mut self, agents: &Map<String, Value>) {
        let defined = agents.iter().take(AGENTS_MAX).filter_map(|(name, definition)| {
            Some((name.clone(), serde_json::from_value(definition.clone()).ok()?))
        });
        self.agents = defined.collect();
    }

    /// Kinds of sub-agents with their purpose.
    pub(crate) fn agent_kinds(&self) -> Vec<(&str, &str)> {
        let own = (!self.agents.contains_key(GENERAL_AGENT)).then_some((GENERAL_AGENT, GENERAL_PURPOSE));
        let host = self.agents.iter().map(|(name, agent)| (name.as_str(), agent.description.as_str()));
        own.into_iter().chain(host).collect()
    }

    /// Whether the tool is offered at all.
    pub(crate) fn offers(&self, tool: &str) -> bool {
        let listed = |tools: &Vec<String>| tools.iter().any(|name| tools::is_same(name, tool));
        self.tools.as_ref().is_none_or(listed)
    }
}

impl AgentDefinition {
    /// Whether a sub-agent of this kind may use the tool.
    pub(crate) fn offers(&self, tool: &str) -> bool {
        let names = |tools: &[String]| tools.iter().any(|name| name == "*" || tools::is_same(name, tool));
        self.tools.as_deref().is_none_or(names) && !names(&self.disallowed_tools)
    }
}

/// A text, or a list of texts as some hosts send it.
fn prompt_of(value: Option<&Value>) -> Option<String> {
    let text = match value? {
        Value::String(text) => text.clone(),
        Value::Array(parts) => parts.iter().filter_map(Value::as_str).collect::<Vec<_>>().join("\n\n"),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::Object(_) => return None,
    };
    (text.len() <= PROMPT_BYTES_MAX).then_some(text)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_initialize_leaves_out_stays() {
        let mut charter = Charter { system_prompt: Some("flag".to_owned()), ..Charter::default() };
        charter.take(&json!({"appendSystemPrompt": "more", "jsonSchema": {"type": "object"}}));
        assert_eq!(charter.system_prompt.as_deref(), Some("flag"));
        charter.take(&json!({"systemPrompt": ["a", "b"], "agents": {"x": {"description": "d"}, "odd": 5}}));
        assert_eq!(charter.system_prompt.as_deref(), Some("a\n\nb"));
        assert_eq!(charter.append_system_prompt.as_deref(), Some("more"));
        assert!(charter.json_schema.is_some());
        assert_eq!(charter.agent_kinds(), [(GENERAL_AGENT, GENERAL_PURPOSE), ("x", "d")]);
    }

    #[test]
    fn offers_the_tools_that_are_named_under_either_name() {
        let charter =
            Charter { tools: Some(vec!["Task".to_owned(), "Read".to_owned()]), ..Charter::default() };
        assert!(charter.offers("Agent") && charter.offers("Read") && !charter.offers("Bash"));
        let reader: AgentDefinition =
            serde_json::from_value(json!({"tools": ["*"], "disallowedTools": ["Bash"]})).unwrap();
        assert!(reader.offers("Read") && !reader.offers("Bash"));
    }
}
