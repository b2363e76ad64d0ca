//! Every recorded line and every kind there is: parse → serialise gives the same value, and each kind reads as its
//! golden file shows. `UPDATE_EXPECT=1 cargo test -p portcullis-protocol --test golden` writes the files anew.
#![cfg(not(target_arch = "wasm32"))]
#![expect(clippy::unwrap_used, reason = "a test may panic")]

use std::collections::{BTreeMap, HashMap};
use std::path::{Path, PathBuf};

use expect_test::expect_file;
use portcullis_protocol::RawJson;
use portcullis_protocol::approval::{self, Decision};
use portcullis_protocol::wire::client::{ClientFrame, ServerFrame};
use portcullis_protocol::wire::control::Request;
use portcullis_protocol::wire::kinds::control::Reply;
use portcullis_protocol::wire::kinds::tools::{Outcome, ToolInput, ToolOutput};
use portcullis_protocol::wire::kinds::{Message, Piece as _, exact};
use portcullis_protocol::wire::rest::{PostEvents, PostedEvents};
use portcullis_protocol::wire::worker::{WorkerDown, WorkerItem, WorkerPost, WorkerPosted, WorkerUp};
use proptest::prelude::*;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use serde_json::value::RawValue;

/// One message out of a file, with who said it.
struct Said {
    place: String,
    by: String,
    message: RawJson,
}

fn fixtures() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures")
}

fn raw(text: &str) -> RawJson {
    RawJson::parse(text).unwrap()
}

fn examples() -> Vec<Said> {
    list("examples")
}

/// Kinds that neither the recordings nor the examples have, made after the public type files.
fn made() -> Vec<Said> {
    list("made")
}

fn list(name: &str) -> Vec<Said> {
    let text = std::fs::read_to_string(fixtures().join(format!("{name}.ndjson"))).unwrap();
    let line = |(index, line): (usize, &str)| {
        let fields: HashMap<String, RawJson> = serde_json::from_str(line).unwrap();
        let kind: String = fields["kind"].read().unwrap();
        let by = kind.split(':').next().unwrap().to_owned();
        Said { place: format!("{name}:{}", index + 1), by, message: fields["msg"].clone() }
    };
    text.lines().enumerate().map(line).collect()
}

/// All recordings, each as its messages: from stdio, from sockets, out of POST bodies and event streams.
fn recordings() -> Vec<Vec<Said>> {
    let mut paths: Vec<_> =
        std::fs::read_dir(fixtures().join("captures")).unwrap().map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    paths.iter().map(|path| recording(path)).collect()
}

fn recording(path: &Path) -> Vec<Said> {
    let name = path.file_stem().unwrap().to_string_lossy().into_owned();
    let text = std::fs::read_to_string(path).unwrap();
    let mut said = Vec::new();
    for (index, line) in text.lines().enumerate() {
        let fields: HashMap<String, RawJson> = serde_json::from_str(line).unwrap();
        let by = fields.get("dir").map_or_else(String::new, |dir| dir.read().unwrap());
        let mut messages: Vec<RawJson> =
            ["msg", "ws"].iter().filter_map(|key| fields.get(*key)).cloned().collect();
        let inner = |value: &RawJson, key: &str| {
            value.read::<HashMap<String, RawJson>>().ok().and_then(|mut fields| fields.remove(key))
        };
        messages.extend(fields.get("data").and_then(|data| inner(data, "payload")));
        let events =
            fields.get("http").and_then(|http| inner(http, "body")).and_then(|body| inner(&body, "events"));
        for event in events.iter().flat_map(|events| events.read::<Vec<RawJson>>().unwrap()) {
            messages.push(inner(&event, "payload").unwrap_or(event));
        }
        let place = format!("{name}:{}", index + 1);
        said.extend(messages.into_iter().map(|message| Said {
            place: place.clone(),
            by: by.clone(),
            message,
        }));
    }
    said
}

#[test]
fn every_line_comes_back_byte_for_byte() {
    let mut lines = 0;
    for said in recordings().into_iter().flatten().chain(examples()).chain(made()) {
        let message = Message::parse(&said.message).unwrap_or_else(|_| panic!("{}", said.place));
        assert!(exact::same(&said.message, &message.to_json()), "{}", said.place);
        assert_eq!(said.message.as_str(), message.to_json().as_str(), "{}", said.place);
        lines += 1;
    }
    assert!(lines > 4_900, "{lines}");
}

#[test]
fn only_what_nobody_documented_is_kept_as_unknown() {
    let mut unknown = BTreeMap::<String, usize>::new();
    for said in recordings().into_iter().flatten().chain(examples()).chain(made()) {
        if !Message::parse(&said.message).unwrap().is_typed() {
            let header = said.message.header().unwrap();
            *unknown
                .entry(format!("{} {}", header.kind, header.request_subtype().unwrap_or("")))
                .or_default() += 1;
        }
    }
    let list = unknown.iter().map(|(kind, count)| format!("{kind} {count}\n")).collect::<String>();
    expect_file![fixtures().join("golden/kept-as-unknown.txt")].assert_eq(&list);
}

/// The shortest occurrence of each kind, as it reads.
#[derive(Default)]
struct Goldens(BTreeMap<String, (usize, String, String)>);

impl Goldens {
    fn offer(&mut self, kind: &str, place: &str, text: &RawJson, shown: impl FnOnce() -> String) {
        let kind: String = kind
            .chars()
            .map(|c| if c.is_ascii_alphanumeric() || "._-".contains(c) { c } else { '-' })
            .collect();
        let better = self.0.get(&kind).is_none_or(|(bytes, ..)| text.byte_len() < *bytes);
        if better {
            self.0.insert(kind, (text.byte_len(), place.to_owned(), shown()));
        }
    }
}

#[test]
fn every_kind_reads_as_its_golden_file() {
    let mut goldens = Goldens::default();
    for recording in recordings() {
        collect(&recording, &mut goldens);
    }
    collect(&examples(), &mut goldens);
    let mut more = Goldens::default();
    collect(&made(), &mut more);
    for (kind, shown) in more.0 {
        goldens.0.entry(kind).or_insert(shown);
    }
    assert!(goldens.0.len() > 220, "{}", goldens.0.len());
    for (kind, (_, place, shown)) in goldens.0 {
        expect_file![fixtures().join(format!("golden/{kind}.txt"))].assert_eq(&format!("{place}\n{shown}\n"));
    }
}

/// Messages, and what they carry: a tool's input and output by its name, an answer by what was asked.
fn collect(recording: &[Said], goldens: &mut Goldens) {
    let (mut tools, mut asked) = (HashMap::new(), HashMap::new());
    for said in recording {
        let value: Value = said.message.read().unwrap();
        let from = if matches!(said.by.as_str(), "in" | "client->server" | "ingress->client") {
            "host"
        } else {
            "agent"
        };
        let kind = format!("{from}.{}", kind_of(&value));
        goldens.offer(&kind, &said.place, &said.message, || {
            format!("{:#?}", Message::parse(&said.message).unwrap())
        });
        let text = |value: &Value| value.as_str().unwrap_or("").to_owned();
        match value["type"].as_str() {
            Some("control_request") => {
                asked.insert(text(&value["request_id"]), text(&value["request"]["subtype"]));
            }
            Some("control_response") => {
                let Some(subtype) = asked.get(&text(&value["response"]["request_id"])) else { continue };
                let Some(payload) = piece(&said.message, &["response", "response"]) else { continue };
                let reply = Reply::parse(subtype, &payload);
                assert_eq!(reply.to_json(), payload, "{}", said.place);
                goldens.offer(&format!("reply.{subtype}"), &said.place, &payload, || format!("{reply:#?}"));
            }
            Some("assistant") => {
                for block in
                    piece(&said.message, &["message", "content"]).unwrap().read::<Vec<RawJson>>().unwrap()
                {
                    let (Some(id), Some(name), Some(input)) =
                        (piece(&block, &["id"]), piece(&block, &["name"]), piece(&block, &["input"]))
                    else {
                        continue;
                    };
                    let name: String = name.read().unwrap();
                    let read = ToolInput::parse(&name, &input);
                    assert_eq!(read.to_json(), input, "{}", said.place);
                    goldens
                        .offer(&format!("tool.{name}.input"), &said.place, &input, || format!("{read:#?}"));
                    tools.insert(id.read::<String>().unwrap(), name);
                }
            }
            Some("user") => {
                let Some(output) = piece(&said.message, &["tool_use_result"]) else { continue };
                let call = text(&value["message"]["content"][0]["tool_use_id"]);
                let name = tools.get(&call).map_or("", String::as_str);
                let read = Outcome::parse(name, &output);
                assert_eq!(read.to_json(), output, "{}", said.place);
                let failed = matches!(read, Outcome::Text(_));
                assert!(!matches!(read, Outcome::Output(ToolOutput::Other(_))), "{} {name}", said.place);
                let kind = if failed { "tool.failure".to_owned() } else { format!("tool.{name}.output") };
                goldens.offer(&kind, &said.place, &output, || format!("{read:#?}"));
            }
            _ => {}
        }
    }
}

fn piece(value: &RawJson, path: &[&str]) -> Option<RawJson> {
    path.iter().try_fold(value.clone(), |value, key| {
        value.read::<HashMap<String, RawJson>>().ok().and_then(|mut fields| fields.remove(*key))
    })
}

/// All discriminators of a message.
fn kind_of(value: &Value) -> String {
    let word = |value: &Value| value.as_str().map(|word| format!(".{word}")).unwrap_or_default();
    let blocks = |content: &Value| match content {
        Value::Array(blocks) => blocks.first().map(|block| word(&block["type"])).unwrap_or_default(),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Object(_) => {
            String::new()
        }
    };
    let mark = |key: &str| if value[key] == true { format!(".{key}") } else { String::new() };
    let kind = value["type"].as_str().unwrap();
    let more = match kind {
        "system" | "result" => word(&value["subtype"]),
        "assistant" => {
            blocks(&value["message"]["content"]) + &mark("aborted") + &mark("is_api_error_message")
        }
        "user" => blocks(&value["message"]["content"]) + &mark("isReplay") + &mark("isSynthetic"),
        "stream_event" => {
            let event = &value["event"];
            word(&event["type"]) + &word(&event["delta"]["type"]) + &word(&event["content_block"]["type"])
        }
        "control_request" => word(&value["request"]["subtype"]) + &word(&value["request"]["tool_name"]),
        "control_response" => {
            word(&value["response"]["subtype"]) + &word(&value["response"]["response"]["behavior"])
        }
        _ => String::new(),
    };
    format!("{kind}{more}")
}

/// Each block of the page names the type that reads it; what a type writes has to be what stands there.
#[test]
fn the_worked_example_of_the_docs_is_what_the_code_reads_and_writes() {
    let page = std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/protocol.md"))
        .unwrap();
    let (mut held, mut decision, mut blocks) = (None, None, 0);
    for block in page.split("```json ").skip(1) {
        let (kind, rest) = block.split_once('\n').unwrap();
        for line in rest.split("```").next().unwrap().lines() {
            let written = match kind {
                "ServerFrame" => ServerFrame::parse(line).unwrap().to_text(),
                "ClientFrame" => ClientFrame::parse(line).unwrap().to_text(),
                "WorkerUp" => WorkerUp::parse(line).unwrap().to_text(),
                "WorkerDown" => WorkerDown::parse(line).unwrap().to_text(),
                "PostEvents" => rewritten::<PostEvents>(line),
                "PostedEvents" => rewritten::<PostedEvents>(line),
                "WorkerPosted" => rewritten::<WorkerPosted>(line),
                "WorkerPost" => {
                    let post: WorkerPost = serde_json::from_str(line).unwrap();
                    for item in &post.items {
                        let WorkerItem::Request { digest, event, .. } = item else { continue };
                        let request = Request::parse(event).unwrap().request;
                        assert_eq!(&approval::digest(&request), digest);
                        held = Some(request);
                    }
                    rewritten::<WorkerPost>(line)
                }
                "Decision" => {
                    let read = Decision::parse(&raw(line)).unwrap();
                    let event = read.to_event();
                    decision = Some(read);
                    event.as_str().to_owned()
                }
                "Answer" => approval::bind(held.as_ref().unwrap(), decision.as_ref().unwrap()).unwrap(),
                "Message" => {
                    let message = Message::parse(&raw(line)).unwrap();
                    assert!(message.is_typed(), "{line}");
                    message.to_json().as_str().to_owned()
                }
                _ => panic!("{kind}"),
            };
            assert!(exact::same(&raw(line), &raw(&written)), "{kind}\n{line}\n{written}");
        }
        blocks += 1;
    }
    assert_eq!(blocks, 31);
}

fn rewritten<T: DeserializeOwned + Serialize>(line: &str) -> String {
    serde_json::to_string(&serde_json::from_str::<T>(line).unwrap()).unwrap()
}

/// JSON with its numbers as text and its keys in order, to be changed anywhere.
enum Tree {
    Leaf(String),
    List(Vec<Tree>),
    Object(Vec<(String, Tree)>),
}

impl Tree {
    fn read(text: &str) -> Self {
        match text.as_bytes()[0] {
            b'[' => {
                let items: Vec<&RawValue> = serde_json::from_str(text).unwrap();
                Self::List(items.into_iter().map(|item| Self::read(item.get())).collect())
            }
            b'{' => {
                let values: HashMap<String, &RawValue> = serde_json::from_str(text).unwrap();
                let order: serde_json::Map<String, Value> = serde_json::from_str(text).unwrap();
                Self::Object(order.keys().map(|key| (key.clone(), Self::read(values[key].get()))).collect())
            }
            _ => Self::Leaf(text.to_owned()),
        }
    }

    fn text(&self) -> String {
        match self {
            Self::Leaf(text) => text.clone(),
            Self::List(items) => {
                format!("[{}]", items.iter().map(Self::text).collect::<Vec<_>>().join(","))
            }
            Self::Object(entries) => {
                let entry = |(key, value): &(String, Self)| {
                    format!("{}:{}", serde_json::to_string(key).unwrap(), value.text())
                };
                format!("{{{}}}", entries.iter().map(entry).collect::<Vec<_>>().join(","))
            }
        }
    }

    /// Hands the node that is `nth` in reading order to `change`.
    fn at(&mut self, nth: &mut usize, change: &mut dyn FnMut(&mut Self)) {
        if *nth == 0 {
            *nth = usize::MAX;
            return change(self);
        }
        *nth -= 1;
        match self {
            Self::Leaf(_) => {}
            Self::List(items) => items.iter_mut().for_each(|item| item.at(nth, change)),
            Self::Object(entries) => entries.iter_mut().for_each(|(_, value)| value.at(nth, change)),
        }
    }

    fn size(&self) -> usize {
        1 + match self {
            Self::Leaf(_) => 0,
            Self::List(items) => items.iter().map(Self::size).sum(),
            Self::Object(entries) => entries.iter().map(|(_, value)| value.size()).sum(),
        }
    }
}

const ODD: [&str; 9] = [
    "1.0",
    "1e5",
    "-0",
    "123456789012345678901234567890",
    "null",
    r#""""#,
    r#"{"b":1.50,"a":[{"type":"from_next_year"}]}"#,
    r#"["\u0041\ud83d\ude00 "]"#,
    r#"{"type":"text","subtype":"success","text":7}"#,
];

proptest! {
    #![proptest_config(ProptestConfig { cases: 512, ..ProptestConfig::default() })]

    #[test]
    fn whatever_is_put_anywhere_comes_back(
        line in any::<prop::sample::Index>(),
        changes in prop::collection::vec((any::<prop::sample::Index>(), 0..ODD.len(), any::<bool>()), 1..4),
    ) {
        let examples = examples();
        let mut tree = Tree::read(examples[line.index(examples.len())].message.as_str());
        for (node, odd, add) in changes {
            let size = tree.size();
            tree.at(&mut node.index(size), &mut |node| match node {
                Tree::Object(entries) if add => entries.insert(entries.len() / 2, ("fromNextYear".into(), Tree::read(ODD[odd]))),
                Tree::Leaf(_) | Tree::List(_) | Tree::Object(_) => *node = Tree::read(ODD[odd]),
            });
        }
        let changed = raw(&tree.text());
        if changed.header().is_ok() {
            let message = Message::parse(&changed).unwrap();
            prop_assert!(exact::same(&message.to_json(), &changed), "{} became {}", changed.as_str(), message.to_json().as_str());
        }
    }

    #[test]
    fn an_unknown_field_leaves_a_known_kind_known(line in any::<prop::sample::Index>(), odd in 0..ODD.len()) {
        let examples = examples();
        let before = &examples[line.index(examples.len())].message;
        let mut tree = Tree::read(before.as_str());
        if let Tree::Object(entries) = &mut tree {
            entries.insert(0, ("fromNextYear".into(), Tree::read(ODD[odd])));
        }
        let after = Message::parse(&raw(&tree.text())).unwrap();
        prop_assert_eq!(after.is_typed(), Message::parse(before).unwrap().is_typed());
        prop_assert!(exact::same(&after.to_json(), &raw(&tree.text())));
    }
}
