//! What an agent says can be said to it: its commands, its models, the files whose names fit. All of it is its own words,
//! and any of it may be missing: over some bridges the answer is a stub.

use portcullis_protocol::RawJson;
use serde::Deserialize;
use serde_json::Value;

/// Commands, models or files that are kept of one answer: more than anybody reads through.
const OFFERS_MAX: usize = 500;

/// Whether the agent was asked what it offers: once for each time that it is there, until it told.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Inquiry {
    /// There is nobody to ask.
    #[default]
    Absent,
    /// It is there, and is to be asked.
    Due,
    /// It was asked. Who did not answer is not asked again before the next agent is there.
    Asked,
    /// It told.
    Told,
}

impl Inquiry {
    /// The agent is `there`, or is not.
    #[must_use]
    pub fn seen(self, there: bool) -> Self {
        match (self, there) {
            (Self::Told, _) => Self::Told,
            (_, false) => Self::Absent,
            (Self::Absent, true) => Self::Due,
            (Self::Due | Self::Asked, true) => self,
        }
    }
}

/// One thing to choose.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Offer {
    /// What is sent.
    pub value: String,
    /// What it is called, where that is something else.
    pub name: String,
    /// What it does.
    pub about: String,
}

/// What the agent of a session offers.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Offers {
    /// Slash commands, without the slash.
    pub commands: Vec<Offer>,
    pub models: Vec<Offer>,
    /// The files of the last question, and what was asked.
    pub files: (String, Vec<String>),
}

impl Offers {
    /// Takes over the answer to an `initialize`. `false` when it is none.
    pub fn initialized(&mut self, event: &RawJson) -> bool {
        #[derive(Deserialize)]
        #[serde(rename_all = "camelCase")]
        struct Named {
            #[serde(alias = "value")]
            name: String,
            #[serde(default)]
            display_name: String,
            #[serde(default)]
            description: String,
        }
        let Some(Value::Object(mut told)) = payload(event) else { return false };
        let mut list = |key: &str| -> Vec<Offer> {
            let Some(Value::Array(all)) = told.remove(key) else { return Vec::new() };
            let read = all.into_iter().take(OFFERS_MAX).filter_map(|one| Named::deserialize(one).ok());
            read.map(|one| Offer { value: one.name, name: one.display_name, about: one.description })
                .filter(|offer| !offer.value.is_empty())
                .collect()
        };
        (self.commands, self.models) = (list("commands"), list("models"));
        true
    }

    /// Takes over the answer to a question for files.
    pub fn found(&mut self, query: String, event: &RawJson) {
        let Some(mut told) = payload(event) else { return };
        let Some(Value::Array(all)) = told.get_mut("suggestions").map(Value::take) else { return };
        let name = |one: Value| match one {
            Value::String(name) => Some(name),
            Value::Object(fields) => ["path", "value", "displayText"]
                .iter()
                .find_map(|key| fields.get(*key)?.as_str().map(str::to_owned)),
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::Array(_) => None,
        };
        self.files = (query, all.into_iter().take(OFFERS_MAX).filter_map(name).collect());
    }
}

/// What a `control_response` that reports success carries.
fn payload(event: &RawJson) -> Option<Value> {
    #[derive(Deserialize)]
    struct Event {
        response: Response,
    }
    #[derive(Deserialize)]
    struct Response {
        response: Option<Value>,
    }
    event.read::<Event>().ok()?.response.response
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(payload: &str) -> RawJson {
        RawJson::parse(&format!(
            r#"{{"type":"control_response","response":{{"subtype":"success","request_id":"r","response":{payload}}}}}"#
        ))
        .unwrap()
    }

    #[test]
    fn an_agent_is_asked_once_for_each_time_that_it_is_there_until_it_told() {
        let mut inquiry = Inquiry::default();
        let mut asked = 0;
        let mut see = |inquiry: &mut Inquiry, there: bool| {
            *inquiry = inquiry.seen(there);
            if *inquiry == Inquiry::Due {
                *inquiry = Inquiry::Asked;
                asked += 1;
            }
            asked
        };
        let steps = [false, true, true, true, false, false, true, true];
        assert_eq!(steps.map(|there| see(&mut inquiry, there)), [0, 1, 1, 1, 1, 1, 2, 2]);
        inquiry = Inquiry::Told;
        assert_eq!([false, true].map(|there| see(&mut inquiry, there)), [2, 2]);
    }

    #[test]
    fn takes_commands_and_models_and_passes_over_what_has_another_shape() {
        let mut offers = Offers::default();
        assert!(offers.initialized(&answer(
            r#"{"commands":[{"name":"clear","description":"Start anew","argumentHint":""},7,{"description":"nameless"}],"models":[{"value":"default","displayName":"Default","description":"d"}],"x":1}"#
        )));
        assert_eq!(offers.commands.len(), 1);
        assert_eq!((offers.commands[0].value.as_str(), offers.models[0].name.as_str()), ("clear", "Default"));
        assert!(offers.initialized(&answer("{}")) && offers.commands.is_empty());
        let error =
            r#"{"type":"control_response","response":{"subtype":"error","request_id":"r","error":"no"}}"#;
        assert!(!offers.initialized(&RawJson::parse(error).unwrap()));
    }

    #[test]
    fn files_come_as_names_or_as_objects() {
        let mut offers = Offers::default();
        offers.found(
            "a".into(),
            &answer(r#"{"suggestions":["a.rs",{"path":"b.rs"},{"displayText":"c.rs"},null],"cwd":"/x"}"#),
        );
        assert_eq!(offers.files, ("a".into(), vec!["a.rs".into(), "b.rs".into(), "c.rs".into()]));
        offers.found("b".into(), &answer("7"));
        assert_eq!(offers.files.0, "a", "no answer changes nothing");
    }
}
