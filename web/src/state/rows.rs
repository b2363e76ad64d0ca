//! The items of a transcript as rows: what a sub-agent did stands inside its call, and several looks at files in a row
//! are one line. Nothing is left out: what belongs to a call that is not there is a row of its own.

use std::collections::HashMap;
use std::hash::Hash;

use portcullis_protocol::limits::AGENT_DEPTH_MAX;

use super::tool::verbs::Kind;

/// What is to be known of an item to find its place.
#[derive(Clone, Copy, Debug)]
pub struct Seen<'a, K> {
    pub key: K,
    /// Where it stands in the log, 0 when it is not there yet.
    pub seq: u64,
    /// The tool call of the sub-agent it belongs to.
    pub parent: Option<&'a str>,
    /// Its own id and kind, of a tool call.
    pub call: Option<(&'a str, Kind)>,
}

/// One row.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Row<K> {
    /// Its item, or the first of its run.
    pub key: K,
    /// Whether it stands for several.
    pub run: bool,
    pub seq: u64,
}

/// Rows, and what stands in them.
#[derive(Clone, Debug)]
pub struct Layout<K> {
    pub rows: Vec<Row<K>>,
    /// The items of each run.
    pub runs: HashMap<K, Vec<K>>,
    /// What stands inside a call.
    pub inside: HashMap<K, Vec<K>>,
    /// For each item, in order: its key, its `seq`, and the index of the row it stands in.
    pub home: Vec<(K, u64, usize)>,
}

/// Lays `items` out.
pub fn lay<'a, K: Copy + Eq + Hash + 'a>(items: impl Iterator<Item = Seen<'a, K>>) -> Layout<K> {
    let mut layout =
        Layout { rows: Vec::new(), runs: HashMap::new(), inside: HashMap::new(), home: Vec::new() };
    // A call stands before what it holds: whoever claims otherwise gets a row of his own, and no circle comes about.
    let mut calls: HashMap<&str, (K, usize, usize)> = HashMap::new();
    let mut looking = false;
    for item in items {
        let within = item.parent.and_then(|parent| calls.get(parent)).copied();
        let (depth, row) = match within {
            Some((parent, depth, row)) if depth < AGENT_DEPTH_MAX => {
                layout.inside.entry(parent).or_default().push(item.key);
                (depth + 1, row)
            }
            Some(_) | None => {
                let looks = item.call.is_some_and(|(_, kind)| kind.looks()) && item.parent.is_none();
                match layout.rows.last_mut().filter(|_| looks && looking) {
                    Some(row) => {
                        row.run = true;
                        let first = row.key;
                        layout.runs.entry(first).or_insert_with(|| vec![first]).push(item.key);
                    }
                    None => layout.rows.push(Row { key: item.key, run: false, seq: item.seq }),
                }
                looking = looks;
                (0, layout.rows.len() - 1)
            }
        };
        if let Some((id, _)) = item.call {
            calls.insert(id, (item.key, depth, row));
        }
        layout.home.push((item.key, item.seq, row));
    }
    layout
}

impl<K: Copy> Layout<K> {
    /// The row that holds `seq`, or the first behind it.
    #[must_use]
    pub fn row_of(&self, seq: u64) -> Option<usize> {
        let exact = self.home.iter().find(|(_, at, _)| *at == seq);
        let near = || self.home.iter().find(|(_, at, _)| *at > seq).or(self.home.last());
        exact.or_else(near).map(|(.., row)| *row)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `t5` is a text at 5, `r6` a read, `a7` an agent, `t8<a7` a text inside of it.
    fn laid(script: &str) -> String {
        let names: Vec<(&str, Option<&str>)> = script
            .split(' ')
            .map(|word| word.split_once('<').map_or((word, None), |(a, b)| (a, Some(b))))
            .collect();
        let seen = |(name, parent): &(&'static str, Option<&'static str>)| Seen {
            key: *name,
            seq: name[1..].parse().unwrap(),
            parent: *parent,
            call: match &name[..1] {
                "r" => Some((*name, Kind::Read)),
                "a" => Some((*name, Kind::Agent)),
                _ => None,
            },
        };
        let leaked: Vec<(&'static str, Option<&'static str>)> = names
            .into_iter()
            .map(|(name, parent)| {
                (&*String::leak(name.to_owned()), parent.map(|parent| &*String::leak(parent.to_owned())))
            })
            .collect();
        let layout = lay(leaked.iter().map(seen));
        let row = |row: &Row<&str>| match layout.runs.get(row.key) {
            Some(run) => format!("[{}]", run.join(" ")),
            None => match layout.inside.get(row.key) {
                Some(inside) => format!("{}({})", row.key, inside.join(" ")),
                None => row.key.to_owned(),
            },
        };
        assert_eq!(layout.home.len(), leaked.len());
        layout.rows.iter().map(row).collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn looks_in_a_row_are_one_line_and_anything_between_ends_it() {
        assert_eq!(laid("t1 r2 r3 r4 t5 r6 t7 r8 r9"), "t1 [r2 r3 r4] t5 r6 t7 [r8 r9]");
    }

    #[test]
    fn what_two_agents_do_at_once_stands_inside_of_each() {
        assert_eq!(laid("a1 a2 t3<a2 t4<a1 r5<a2 r6<a2 t7"), "a1(t4) a2(t3 r5 r6) t7");
    }

    #[test]
    fn what_belongs_to_nothing_that_is_there_is_shown_all_the_same() {
        assert_eq!(laid("t3<a9 a1<a1 a2<a5 a5<a2"), "t3 a1 a2(a5)");
        let deep: Vec<String> =
            (1..40).map(|at| if at == 1 { "a1".into() } else { format!("a{at}<a{}", at - 1) }).collect();
        let rows = laid(&deep.join(" "));
        assert!(rows.starts_with("a1(a2) a18(a19)"), "{rows}");
    }

    #[test]
    fn finds_the_row_of_an_event() {
        let seen = |(key, seq, parent): (u64, u64, Option<&'static str>)| Seen {
            key,
            seq,
            parent,
            call: (key == 1).then_some(("one", Kind::Agent)),
        };
        let layout =
            lay([(1, 10, None), (2, 20, Some("one")), (3, 30, None), (4, 0, None)].map(seen).into_iter());
        let rows = [5, 10, 20, 25, 30, 99].map(|seq| layout.row_of(seq));
        assert_eq!(rows, [Some(0), Some(0), Some(0), Some(1), Some(1), Some(2)]);
    }
}
