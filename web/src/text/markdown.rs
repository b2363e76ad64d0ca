//! Markdown as a tree of plain values. Views turn the tree into nodes, so there is no way from an agent's text to
//! HTML: raw HTML is text here, images are their descriptions, links were judged.

use portcullis_protocol::limits::RENDER_DEPTH_MAX;
use pulldown_cmark::{CodeBlockKind, Event, HeadingLevel, Options, Parser, Tag, TagEnd};

use super::links::{self, Link};

/// A piece of a page.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Block {
    /// A paragraph; `loose` is `false` for the bare text of a tight list item.
    Paragraph { content: Vec<Inline>, loose: bool },
    /// A heading of level 1 to 6.
    Heading { level: u8, content: Vec<Inline> },
    /// A block of code.
    Code { language: String, text: String },
    /// A quotation.
    Quote(Vec<Block>),
    /// A list, numbered from `start` when there is one.
    List { start: Option<u64>, items: Vec<ListItem> },
    /// A table.
    Table { head: Vec<Vec<Inline>>, rows: Vec<Vec<Vec<Inline>>> },
    /// A line.
    Rule,
    /// HTML, shown as its source.
    Html(String),
}

/// One item of a list.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ListItem {
    /// Set for an item of a task list.
    pub checked: Option<bool>,
    /// Its content.
    pub blocks: Vec<Block>,
}

/// A piece of a line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Inline {
    Text(String),
    Code(String),
    Emphasis(Vec<Inline>),
    Strong(Vec<Inline>),
    Strike(Vec<Inline>),
    Link {
        target: Link,
        content: Vec<Inline>,
    },
    /// Never loaded: its description, and its address as a link.
    Image {
        target: Link,
        alt: String,
    },
    Break,
}

const OPTIONS: Options =
    Options::ENABLE_TABLES.union(Options::ENABLE_STRIKETHROUGH).union(Options::ENABLE_TASKLISTS);

/// Reads `text`. Nesting beyond [`RENDER_DEPTH_MAX`] is flattened, nothing is left out.
#[must_use]
pub fn parse(text: &str) -> Vec<Block> {
    let mut tree = Tree { frames: vec![Frame::new(Kind::Root)], real: Vec::new() };
    for event in Parser::new_ext(text, OPTIONS) {
        tree.apply(event);
    }
    tree.finish()
}

/// Start of the line where the last top-level block of `text` begins, `None` when there is only one block.
#[must_use]
pub fn last_block_start(text: &str) -> Option<usize> {
    let (mut depth, mut last, mut count) = (0_usize, 0, 0_usize);
    for (event, range) in Parser::new_ext(text, OPTIONS).into_offset_iter() {
        let top = depth == 0;
        match event {
            Event::Start(_) => depth += 1,
            Event::End(_) => {
                depth = depth.saturating_sub(1);
                continue;
            }
            Event::Rule => {}
            Event::Text(_)
            | Event::Code(_)
            | Event::InlineMath(_)
            | Event::DisplayMath(_)
            | Event::Html(_)
            | Event::InlineHtml(_)
            | Event::FootnoteReference(_)
            | Event::SoftBreak
            | Event::HardBreak
            | Event::TaskListMarker(_) => continue,
        }
        if top {
            (last, count) = (range.start, count + 1);
        }
    }
    let line = text.get(..last)?.rfind('\n').map_or(0, |at| at + 1);
    (count > 1 && line > 0).then_some(line)
}

/// The visible text of `content`.
#[must_use]
pub fn plain(content: &[Inline]) -> String {
    let mut text = String::new();
    for inline in content {
        match inline {
            Inline::Text(part) | Inline::Code(part) | Inline::Image { alt: part, .. } => text.push_str(part),
            Inline::Emphasis(inner) | Inline::Strong(inner) | Inline::Strike(inner) => {
                text.push_str(&plain(inner))
            }
            Inline::Link { content, .. } => text.push_str(&plain(content)),
            Inline::Break => text.push('\n'),
        }
    }
    text
}

enum Kind {
    Root,
    Paragraph,
    Heading(u8),
    Code(String),
    Html,
    Quote,
    List(Option<u64>, Vec<ListItem>),
    Item(Option<bool>),
    Table { head: Vec<Vec<Inline>>, rows: Vec<Vec<Vec<Inline>>> },
    Row(Vec<Vec<Inline>>),
    Cell,
    Emphasis,
    Strong,
    Strike,
    Link(String),
    Image(String),
}

/// An open element and what it holds so far.
struct Frame {
    kind: Kind,
    blocks: Vec<Block>,
    inlines: Vec<Inline>,
}

impl Frame {
    fn new(kind: Kind) -> Self {
        Self { kind, blocks: Vec::new(), inlines: Vec::new() }
    }

    /// Bare inlines before a block, or at the end of an item, are a paragraph of their own.
    fn settle(&mut self) {
        if !self.inlines.is_empty() {
            let content = std::mem::take(&mut self.inlines);
            self.blocks.push(Block::Paragraph { content, loose: false });
        }
    }
}

struct Tree {
    frames: Vec<Frame>,
    /// For every open tag whether it has a frame; the others are flattened into the frame below.
    real: Vec<bool>,
}

impl Tree {
    fn apply(&mut self, event: Event<'_>) {
        match event {
            Event::Start(tag) => self.open(tag),
            Event::End(tag) => self.close(tag),
            Event::Text(text) | Event::Html(text) | Event::InlineHtml(text) => self.text(&text),
            Event::InlineMath(text) | Event::DisplayMath(text) | Event::Code(text) => {
                self.inline(Inline::Code(text.into_string()));
            }
            Event::FootnoteReference(name) => self.text(&name),
            Event::SoftBreak => self.text(" "),
            Event::HardBreak => self.inline(Inline::Break),
            Event::Rule => self.block(Block::Rule),
            Event::TaskListMarker(done) => {
                if let Some(Kind::Item(checked)) = self.frames.last_mut().map(|frame| &mut frame.kind) {
                    *checked = Some(done);
                }
            }
        }
    }

    fn open(&mut self, tag: Tag<'_>) {
        let kind = match tag {
            Tag::Paragraph => Some(Kind::Paragraph),
            Tag::Heading { level, .. } => Some(Kind::Heading(number(level))),
            Tag::CodeBlock(kind) => Some(Kind::Code(language(kind))),
            Tag::HtmlBlock => Some(Kind::Html),
            Tag::BlockQuote(_) => self.room(1).then_some(Kind::Quote),
            Tag::List(start) => self.room(2).then(|| Kind::List(start, Vec::new())),
            Tag::Item => self.inside(|kind| matches!(kind, Kind::List(..))).then_some(Kind::Item(None)),
            Tag::Table(_) => Some(Kind::Table { head: Vec::new(), rows: Vec::new() }),
            Tag::TableHead | Tag::TableRow => Some(Kind::Row(Vec::new())),
            Tag::TableCell => Some(Kind::Cell),
            Tag::Emphasis => self.room(1).then_some(Kind::Emphasis),
            Tag::Strong => self.room(1).then_some(Kind::Strong),
            Tag::Strikethrough => self.room(1).then_some(Kind::Strike),
            Tag::Link { dest_url, .. } => Some(Kind::Link(dest_url.into_string())),
            Tag::Image { dest_url, .. } => Some(Kind::Image(dest_url.into_string())),
            Tag::FootnoteDefinition(_)
            | Tag::DefinitionList
            | Tag::DefinitionListTitle
            | Tag::DefinitionListDefinition
            | Tag::Superscript
            | Tag::Subscript
            | Tag::MetadataBlock(_) => None,
        };
        self.real.push(kind.is_some());
        if let Some(kind) = kind {
            self.frames.push(Frame::new(kind));
        }
    }

    fn close(&mut self, tag: TagEnd) {
        if !self.real.pop().unwrap_or(false) || self.frames.len() < 2 {
            return;
        }
        let Some(mut frame) = self.frames.pop() else { return };
        let content = |frame: &mut Frame| std::mem::take(&mut frame.inlines);
        match frame.kind {
            Kind::Paragraph => {
                let content = content(&mut frame);
                self.block(Block::Paragraph { content, loose: true });
            }
            Kind::Heading(level) => self.block(Block::Heading { level, content: frame.inlines }),
            Kind::Code(language) => self.block(Block::Code { language, text: plain(&frame.inlines) }),
            Kind::Html => self.block(Block::Html(plain(&frame.inlines))),
            Kind::Quote => {
                frame.settle();
                self.block(Block::Quote(frame.blocks));
            }
            Kind::List(start, items) => self.block(Block::List { start, items }),
            Kind::Item(checked) => {
                frame.settle();
                if let Some(Kind::List(_, items)) = self.frames.last_mut().map(|frame| &mut frame.kind) {
                    items.push(ListItem { checked, blocks: frame.blocks });
                }
            }
            Kind::Table { head, rows } => self.block(Block::Table { head, rows }),
            Kind::Row(cells) => {
                if let Some(Kind::Table { head, rows }) = self.frames.last_mut().map(|frame| &mut frame.kind)
                {
                    if tag == TagEnd::TableHead { *head = cells } else { rows.push(cells) }
                }
            }
            Kind::Cell => {
                if let Some(Kind::Row(cells)) = self.frames.last_mut().map(|frame| &mut frame.kind) {
                    cells.push(frame.inlines);
                }
            }
            Kind::Emphasis => self.inline(Inline::Emphasis(frame.inlines)),
            Kind::Strong => self.inline(Inline::Strong(frame.inlines)),
            Kind::Strike => self.inline(Inline::Strike(frame.inlines)),
            Kind::Link(url) => {
                let target = links::judge(&url, &plain(&frame.inlines));
                self.inline(Inline::Link { target, content: frame.inlines });
            }
            Kind::Image(url) => {
                let alt = plain(&frame.inlines);
                self.inline(Inline::Image { target: links::judge(&url, &alt), alt });
            }
            Kind::Root => {}
        }
    }

    fn text(&mut self, text: &str) {
        let Some(frame) = self.frames.last_mut() else { return };
        if let Some(Inline::Text(last)) = frame.inlines.last_mut() {
            last.push_str(text);
        } else {
            frame.inlines.push(Inline::Text(text.to_owned()));
        }
    }

    fn inline(&mut self, inline: Inline) {
        if let Some(frame) = self.frames.last_mut() {
            frame.inlines.push(inline);
        }
    }

    fn block(&mut self, block: Block) {
        if let Some(frame) = self.frames.last_mut() {
            frame.settle();
            frame.blocks.push(block);
        }
    }

    fn room(&self, levels: usize) -> bool {
        self.frames.len() + levels <= RENDER_DEPTH_MAX
    }

    fn inside(&self, is: impl Fn(&Kind) -> bool) -> bool {
        self.frames.last().is_some_and(|frame| is(&frame.kind))
    }

    fn finish(mut self) -> Vec<Block> {
        let Some(mut root) = self.frames.drain(..).next() else { return Vec::new() };
        root.settle();
        root.blocks
    }
}

fn language(kind: CodeBlockKind<'_>) -> String {
    match kind {
        CodeBlockKind::Fenced(info) => {
            info.split_whitespace().next().unwrap_or_default().chars().take(24).collect()
        }
        CodeBlockKind::Indented => String::new(),
    }
}

fn number(level: HeadingLevel) -> u8 {
    match level {
        HeadingLevel::H1 => 1,
        HeadingLevel::H2 => 2,
        HeadingLevel::H3 => 3,
        HeadingLevel::H4 => 4,
        HeadingLevel::H5 => 5,
        HeadingLevel::H6 => 6,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(text: &str) -> Inline {
        Inline::Text(text.into())
    }

    #[test]
    fn raw_html_is_text() {
        assert_eq!(
            parse("<img src=x onerror=alert(1)>\n"),
            [Block::Html("<img src=x onerror=alert(1)>\n".into())]
        );
        let inline = [text("a <b onclick=\"x\">c</b>")];
        assert_eq!(
            parse("a <b onclick=\"x\">c</b>"),
            [Block::Paragraph { content: inline.to_vec(), loose: true }]
        );
    }

    #[test]
    fn an_image_is_its_description_and_a_bad_link_its_address() {
        let blocks = parse("![a beacon](https://e.example/x.png) [x](javascript:y)");
        let [Block::Paragraph { content, .. }] = &blocks[..] else { panic!("another block") };
        assert!(matches!(&content[0], Inline::Image { alt, .. } if alt == "a beacon"));
        assert!(
            matches!(&content[2], Inline::Link { target: Link::Text { url }, .. } if url == "javascript:y")
        );
    }

    #[test]
    fn keeps_the_structure_of_lists_tables_and_code() {
        let blocks = parse("1. a\n2. [x] b\n   - c\n\n| h |\n|---|\n| `v` |\n\n```rust ignore\nx\n```");
        let Block::List { start: Some(1), items } = &blocks[0] else { panic!("no list") };
        assert_eq!((items.len(), items[1].checked), (2, Some(true)));
        assert!(matches!(
            &items[1].blocks[..],
            [Block::Paragraph { loose: false, .. }, Block::List { start: None, .. }]
        ));
        let Block::Table { head, rows } = &blocks[1] else { panic!("no table") };
        assert_eq!((head[0][0].clone(), rows[0][0][0].clone()), (text("h"), Inline::Code("v".into())));
        assert_eq!(blocks[2], Block::Code { language: "rust".into(), text: "x\n".into() });
    }

    fn depth(blocks: &[Block]) -> usize {
        let inner = |block: &Block| match block {
            Block::Quote(blocks) => depth(blocks),
            Block::List { items, .. } => items.iter().map(|item| depth(&item.blocks)).max().unwrap_or(0),
            Block::Paragraph { .. } | Block::Heading { .. } | Block::Code { .. } => 0,
            Block::Table { .. } | Block::Rule | Block::Html(_) => 0,
        };
        1 + blocks.iter().map(inner).max().unwrap_or(0)
    }

    #[test]
    fn flattens_what_is_nested_too_deep_and_loses_no_text() {
        let quotes = format!("{}deep", "> ".repeat(5_000));
        let blocks = parse(&quotes);
        assert!(depth(&blocks) <= RENDER_DEPTH_MAX + 1, "{}", depth(&blocks));
        assert!(format!("{blocks:?}").contains("deep"));
        let lists: String = (0..100).map(|level| format!("{}- l{level}\n", "  ".repeat(level))).collect();
        let blocks = parse(&lists);
        assert!(depth(&blocks) <= RENDER_DEPTH_MAX + 1);
        assert!(format!("{blocks:?}").contains("l99"));
    }

    #[test]
    fn pathological_emphasis_ends() {
        assert!(!parse(&"*a **b ".repeat(5_000)).is_empty());
        assert!(!parse(&"[".repeat(20_000)).is_empty());
    }
}
