//! What an agent lets one choose: its modes and its models. Each can come in the session's own fields or as a
//! configuration option of that category; modes have the agent's names, of which a few mean what a permission mode of
//! this wire means.

use agent_client_protocol::v1::schema::{
    SessionConfigKind, SessionConfigOption, SessionConfigOptionCategory, SessionConfigSelectOptions,
    SessionModeState,
};
use portcullis_protocol::role::PermissionMode;
use serde_json::{Value, json};

/// Choices of one kind that are kept.
const CHOICES_MAX: usize = 256;

/// How a choice is made.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) enum By {
    /// Not at all.
    #[default]
    Nothing,
    /// `session/set_mode`, `session/set_model`.
    Method,
    /// `session/set_config_option`, under this id.
    Option(String),
}

/// One choice.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Choice {
    pub(crate) id: String,
    pub(crate) name: String,
    pub(crate) description: String,
}

/// All choices of one kind.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Choices {
    pub(crate) all: Vec<Choice>,
    pub(crate) current: Option<String>,
    pub(crate) by: By,
}

impl Choices {
    pub(crate) fn get(&self, id: &str) -> Option<&Choice> {
        self.all.iter().find(|choice| choice.id == id)
    }

    /// The name of what is chosen.
    pub(crate) fn current_name(&self) -> Option<&str> {
        let current = self.current.as_deref()?;
        Some(self.get(current).map_or(current, |choice| choice.name.as_str()))
    }

    fn take(&mut self, mut all: Vec<Choice>, current: &str, by: By) {
        all.truncate(CHOICES_MAX);
        *self = Self { all, current: Some(current.to_owned()), by };
    }
}

/// Modes and models of one session.
#[derive(Clone, Debug, Default)]
pub(crate) struct Offered {
    pub(crate) modes: Choices,
    pub(crate) models: Choices,
    /// Whether the agent is Claude Code behind another front: its modes have this wire's names.
    pub(crate) is_claude: bool,
}

impl Offered {
    /// Reads the answer to `session/new`, `session/load` or `session/resume`.
    pub(crate) fn read_session(&mut self, answer: &Value) {
        if let Some(options) = answer.get("configOptions") {
            self.read_options(options);
        }
        if let Some(state) = answer.get("modes").and_then(read::<SessionModeState>) {
            let all = state.available_modes.into_iter().map(|mode| Choice {
                id: mode.id.0.to_string(),
                name: mode.name,
                description: mode.description.unwrap_or_default(),
            });
            self.modes.take(all.collect(), &state.current_mode_id.0, By::Method);
        }
        // Not of the protocol any more, but agents still write it.
        let models = answer.get("models").and_then(|models| {
            let current = models.get("currentModelId")?.as_str()?.to_owned();
            Some((current, models.get("availableModels")?.as_array()?))
        });
        if let Some((current, models)) = models.filter(|_| self.models.by == By::Nothing) {
            let text = |model: &Value, key: &str| model.get(key).and_then(Value::as_str).map(str::to_owned);
            let choice = |model: &Value| {
                let id = text(model, "modelId")?;
                let name = text(model, "name").unwrap_or_else(|| id.clone());
                Some(Choice { id, name, description: text(model, "description").unwrap_or_default() })
            };
            self.models.take(models.iter().filter_map(choice).collect(), &current, By::Method);
        }
    }

    /// Reads the options a session can be configured by.
    pub(crate) fn read_options(&mut self, options: &Value) {
        let options = options.as_array().map(Vec::as_slice).unwrap_or_default();
        for option in options.iter().filter_map(read::<SessionConfigOption>) {
            let place = match option.category {
                Some(SessionConfigOptionCategory::Mode) if self.modes.by != By::Method => &mut self.modes,
                Some(SessionConfigOptionCategory::Model) => &mut self.models,
                _ => continue,
            };
            let SessionConfigKind::Select(select) = option.kind else { continue };
            let options = match select.options {
                SessionConfigSelectOptions::Ungrouped(options) => options,
                SessionConfigSelectOptions::Grouped(groups) => {
                    groups.into_iter().flat_map(|group| group.options).collect()
                }
                _ => continue,
            };
            let all = options.into_iter().map(|option| Choice {
                id: option.value.0.to_string(),
                name: option.name,
                description: option.description.unwrap_or_default(),
            });
            place.take(all.collect(), &select.current_value.0, By::Option(option.id.0.to_string()));
        }
    }

    /// What the agent's mode means here, where that is known.
    pub(crate) fn meaning(&self, mode_id: &str) -> Option<PermissionMode> {
        match mode_id {
            "default" => Some(PermissionMode::Default),
            "acceptEdits" | "autoEdit" | "auto_edit" => Some(PermissionMode::AcceptEdits),
            "plan" => Some(PermissionMode::Plan),
            "dontAsk" => Some(PermissionMode::DontAsk),
            "bypassPermissions" | "yolo" => Some(PermissionMode::BypassPermissions),
            "auto" if self.is_claude => Some(PermissionMode::Auto),
            _ => None,
        }
    }

    /// The agent's mode that means `mode`.
    pub(crate) fn mode_for(&self, mode: PermissionMode) -> Option<&Choice> {
        self.modes.all.iter().find(|choice| self.meaning(&choice.id) == Some(mode))
    }

    /// The agent's modes, for people: which one of them a client can switch to, and by which name.
    pub(crate) fn listed_modes(&self) -> Value {
        let mode = |choice: &Choice| {
            json!({
                "id": choice.id, "name": choice.name, "description": choice.description,
                "permission_mode": self.meaning(&choice.id).map(PermissionMode::as_str),
            })
        };
        json!(self.modes.all.iter().map(mode).collect::<Vec<_>>())
    }

    /// The agent's models as hosts list them.
    pub(crate) fn listed_models(&self) -> Value {
        let model = |choice: &Choice| json!({"value": choice.id, "displayName": choice.name, "description": choice.description});
        json!(self.models.all.iter().map(model).collect::<Vec<_>>())
    }
}

fn read<T: serde::de::DeserializeOwned>(value: &Value) -> Option<T> {
    T::deserialize(value).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_modes_and_models_wherever_they_stand() {
        let mut offered = Offered::default();
        offered.read_session(&json!({
            "sessionId": "s",
            "modes": {"currentModeId": "yolo", "availableModes": [{"id": "yolo", "name": "YOLO"}, {"id": "ask", "name": "Ask"}]},
            "models": {"currentModelId": "m1", "availableModels": [{"modelId": "m1", "name": "One"}]},
        }));
        assert_eq!(offered.modes.by, By::Method);
        assert_eq!(offered.mode_for(PermissionMode::BypassPermissions).unwrap().id, "yolo");
        assert_eq!(offered.mode_for(PermissionMode::Default), None);
        assert_eq!(offered.models.current_name(), Some("One"));
        offered.read_options(&json!([{
            "id": "model", "name": "Model", "category": "model", "type": "select", "currentValue": "m2",
            "options": [{"group": "g", "name": "G", "options": [{"value": "m2", "name": "Two"}]}],
        }, 7, {"id": "x"}]));
        assert_eq!(offered.models.by, By::Option("model".into()));
        assert_eq!(offered.models.current_name(), Some("Two"));
    }

    #[test]
    fn a_name_that_two_agents_mean_differently_is_not_guessed() {
        let mut offered = Offered::default();
        assert_eq!(offered.meaning("auto"), None);
        assert_eq!(offered.meaning("full-access"), None);
        offered.is_claude = true;
        assert_eq!(offered.meaning("auto"), Some(PermissionMode::Auto));
    }
}
