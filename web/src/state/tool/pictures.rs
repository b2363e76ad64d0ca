//! Images in results and prompts: only kinds that a browser decodes and that cannot hold a script, only inline data,
//! and only up to a size. Everything else is named and not shown.

use std::sync::Arc;

use portcullis_protocol::json::JsonRef;

/// Largest image that is drawn, in bytes of base64: what a model is given is far below.
const BASE64_BYTES_MAX: usize = 12 * 1024 * 1024;
/// Images of one result that are drawn.
const PICTURES_MAX: usize = 20;

/// One image.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Picture {
    /// May be drawn.
    Drawn {
        /// One of four media types.
        kind: &'static str,
        /// Base64.
        data: Arc<str>,
    },
    /// May not; it has so many bytes.
    TooLarge(usize),
}

/// The images among `blocks`.
#[must_use]
pub fn pictures(blocks: JsonRef<'_>) -> Vec<Picture> {
    let images = blocks.items().filter(|block| block.get("type").text().as_deref() == Some("image"));
    images.filter_map(|block| picture(block.get("source"), block)).take(PICTURES_MAX).collect()
}

/// An image in the agent's form (`source`) or in MCP's (on the block itself).
fn picture(source: JsonRef<'_>, block: JsonRef<'_>) -> Option<Picture> {
    let (data, kind) = match source.get("data").text() {
        Some(data) => (data, source.get("media_type").text()),
        None => (block.get("data").text()?, block.get("mimeType").text()),
    };
    let kind = allowed(kind?.as_ref())?;
    Some(match data.len() {
        0..=BASE64_BYTES_MAX => Picture::Drawn { kind, data: data.into() },
        bytes => Picture::TooLarge(bytes / 4 * 3),
    })
}

fn allowed(kind: &str) -> Option<&'static str> {
    ["image/png", "image/jpeg", "image/webp", "image/gif"].into_iter().find(|allowed| *allowed == kind)
}

#[cfg(test)]
mod tests {
    use super::*;
    use portcullis_protocol::RawJson;

    fn of(text: &str) -> Vec<Picture> {
        pictures(RawJson::parse(text).unwrap().look())
    }

    #[test]
    fn draws_inline_images_of_four_kinds_in_both_forms() {
        let agents = r#"[{"type":"text","text":"x"},{"type":"image","source":{"type":"base64","media_type":"image/png","data":"aGk="}}]"#;
        let mcp = r#"[{"type":"image","data":"aGk=","mimeType":"image/webp"}]"#;
        assert_eq!(of(agents), [Picture::Drawn { kind: "image/png", data: "aGk=".into() }]);
        assert_eq!(of(mcp), [Picture::Drawn { kind: "image/webp", data: "aGk=".into() }]);
    }

    #[test]
    fn draws_no_svg_no_address_and_nothing_huge() {
        for odd in [
            r#"[{"type":"image","source":{"type":"base64","media_type":"image/svg+xml","data":"aGk="}}]"#,
            r#"[{"type":"image","source":{"type":"url","url":"https://evil.example/x.png"}}]"#,
            r#"[{"type":"image"},7,null]"#,
            r#""image""#,
        ] {
            assert_eq!(of(odd), [], "{odd}");
        }
        let many =
            format!("[{}]", vec![r#"{"type":"image","data":"aGk=","mimeType":"image/gif"}"#; 50].join(","));
        assert_eq!(of(&many).len(), PICTURES_MAX);
    }
}
