//! What the bridge asked the agent, under ids of its own: an answer is matched by these alone, so neither an echo
//! nor another device's id can be taken for one.

use portcullis_protocol::id::DeviceId;
use portcullis_protocol::json::RawJson;
use portcullis_protocol::{Tick, wire::control};
use serde::de::{MapAccess, Visitor};
use serde::ser::SerializeMap;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// Time an agent has for an answer, in ms: its own hosts wait 60 s, a person less.
pub(crate) const ANSWER_TIMEOUT_MS: u64 = 30_000;
/// Requests that may wait for the agent's answer at once.
pub(crate) const ASKED_MAX: usize = 256;

/// Who waits for an answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Asker {
    /// The bridge itself, once per process.
    Initialize,
    /// The bridge, to go on with what was chosen before this process.
    Choice(String),
    /// A device.
    Device(DeviceAsks),
}

/// A device's request, under the device's own id.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct DeviceAsks {
    pub(crate) device_id: DeviceId,
    pub(crate) request_id: String,
    pub(crate) subtype: String,
    /// The model or the mode it chooses, unless that is the agent's own, or the message it takes back.
    pub(crate) chosen: Option<String>,
}

#[derive(Debug, Default)]
pub(crate) struct Asked {
    minted: u64,
    open: Vec<(String, Tick, Asker)>,
}

impl Asked {
    /// Mints an id for a request of `asker`, or nothing when too many wait.
    pub(crate) fn mint(&mut self, now: Tick, asker: Asker) -> Option<String> {
        if self.open.len() >= ASKED_MAX {
            return None;
        }
        self.minted += 1;
        let id = format!("pc-{}", self.minted);
        self.open.push((id.clone(), now.after(ANSWER_TIMEOUT_MS), asker));
        Some(id)
    }

    /// Who asked under `id`; asked once.
    pub(crate) fn take(&mut self, id: &str) -> Option<Asker> {
        let at = self.open.iter().position(|(known, ..)| known == id)?;
        Some(self.open.remove(at).2)
    }

    /// Everyone whose time is over.
    pub(crate) fn take_expired(&mut self, now: Tick) -> Vec<Asker> {
        let (late, open) =
            std::mem::take(&mut self.open).into_iter().partition(|(_, deadline, _)| *deadline <= now);
        self.open = open;
        let late: Vec<(String, Tick, Asker)> = late;
        late.into_iter().map(|(_, _, asker)| asker).collect()
    }

    /// Everyone, because the process is gone.
    pub(crate) fn take_all(&mut self) -> Vec<Asker> {
        self.open.drain(..).map(|(_, _, asker)| asker).collect()
    }

    pub(crate) fn next_deadline(&self) -> Option<Tick> {
        self.open.iter().map(|(_, deadline, _)| *deadline).min()
    }
}

/// A JSON object whose values stay raw text, in order: to change one field and leave the rest alone.
#[derive(Debug, Default)]
pub(crate) struct Fields(Vec<(String, RawJson)>);

impl Fields {
    pub(crate) fn get(&self, key: &str) -> Option<&RawJson> {
        self.0.iter().find(|(known, _)| known == key).map(|(_, value)| value)
    }

    pub(crate) fn set(&mut self, key: &str, value: RawJson) {
        match self.0.iter_mut().find(|(known, _)| known == key) {
            Some((_, place)) => *place = value,
            None => self.0.push((key.to_owned(), value)),
        }
    }

    pub(crate) fn remove(&mut self, key: &str) -> Option<RawJson> {
        let at = self.0.iter().position(|(known, _)| known == key)?;
        Some(self.0.remove(at).1)
    }
}

impl Serialize for Fields {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(self.0.len()))?;
        for (key, value) in &self.0 {
            map.serialize_entry(key, value)?;
        }
        map.end()
    }
}

impl<'de> Deserialize<'de> for Fields {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct FieldsVisitor;
        impl<'de> Visitor<'de> for FieldsVisitor {
            type Value = Fields;
            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("an object")
            }
            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Fields, A::Error> {
                let mut fields = Fields::default();
                while let Some((key, value)) = map.next_entry::<String, RawJson>()? {
                    fields.set(&key, value);
                }
                Ok(fields)
            }
        }
        deserializer.deserialize_map(FieldsVisitor)
    }
}

/// The agent's `control_response` under the id the device gave its request.
pub(crate) fn readdressed(answer: &RawJson, request_id: &str) -> RawJson {
    let readdress = || -> Option<RawJson> {
        let mut outer: Fields = answer.read().ok()?;
        let mut inner: Fields = outer.get("response")?.read().ok()?;
        inner.set("request_id", RawJson::from_value(request_id));
        outer.set("response", RawJson::from_value(&inner));
        Some(RawJson::from_value(&outer))
    };
    readdress()
        .unwrap_or_else(|| control::error_response(request_id, "the agent's answer cannot be read", None))
}

/// `response.response` of the agent's `control_response`, if it reports success.
pub(crate) fn payload(answer: &RawJson) -> Option<RawJson> {
    let outer: Fields = answer.read().ok()?;
    let inner: Fields = outer.get("response")?.read().ok()?;
    let subtype: String = inner.get("subtype")?.read().ok()?;
    if subtype != "success" {
        return None;
    }
    Some(inner.get("response").cloned().unwrap_or_else(|| RawJson::from_value(&serde_json::json!({}))))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn readdresses_an_answer_and_leaves_its_payload_alone() {
        let answer = r#"{"type":"control_response","response":{"request_id":"pc-1","subtype":"success","response":{"b":1.0,"a":[ 1 ]}}}"#;
        assert_eq!(
            readdressed(&RawJson::parse(answer).unwrap(), "R\"").as_str(),
            r#"{"type":"control_response","response":{"request_id":"R\"","subtype":"success","response":{"b":1.0,"a":[ 1 ]}}}"#
        );
    }

    #[test]
    fn forgets_who_asked_once_answered_or_late() {
        let mut asked = Asked::default();
        let id = asked.mint(Tick(0), Asker::Initialize).unwrap();
        assert_eq!(asked.take(&id), Some(Asker::Initialize));
        assert_eq!(asked.take(&id), None);
        asked.mint(Tick(5), Asker::Initialize).unwrap();
        assert_eq!(asked.next_deadline(), Some(Tick(5 + ANSWER_TIMEOUT_MS)));
        assert!(asked.take_expired(Tick(ANSWER_TIMEOUT_MS)).is_empty());
        assert_eq!(asked.take_expired(Tick(5 + ANSWER_TIMEOUT_MS)).len(), 1);
    }
}
