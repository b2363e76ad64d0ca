//! A prompt of this wire as the blocks an agent takes. What it does not take is named, so that neither side believes
//! that it was read.

use agent_client_protocol::v1::schema::{
    BlobResourceContents, ContentBlock, EmbeddedResource, EmbeddedResourceResource, ImageContent,
    PromptCapabilities, ResourceLink, TextContent, TextResourceContents,
};
use serde_json::Value;

/// The blocks of `content`, and a word for the person about each that was left out.
pub(crate) fn blocks(content: &Value, takes: &PromptCapabilities) -> (Vec<ContentBlock>, Vec<String>) {
    let (mut blocks, mut left_out) = (Vec::new(), Vec::new());
    match content {
        Value::String(said) => blocks.push(text(said)),
        Value::Array(parts) => {
            for part in parts {
                match block(part, takes) {
                    Ok(block) => blocks.push(block),
                    Err(what) => {
                        blocks.push(text(&format!("[{what} was attached, and left out.]")));
                        left_out.push(format!("{what} was left out: this agent does not take it."));
                    }
                }
            }
        }
        _ => {}
    }
    (blocks, left_out)
}

/// A text block.
pub(crate) fn text(said: &str) -> ContentBlock {
    ContentBlock::Text(TextContent::new(said))
}

fn block(part: &Value, takes: &PromptCapabilities) -> Result<ContentBlock, String> {
    let source = part.get("source").unwrap_or(&Value::Null);
    let field = |value: &Value, key: &str| value.get(key).and_then(Value::as_str).map(str::to_owned);
    let url = field(source, "url");
    match field(part, "type").as_deref() {
        Some("text") => Ok(text(&field(part, "text").unwrap_or_default())),
        Some("image") => match (field(source, "data"), url) {
            (Some(data), _) if takes.image => {
                let media_type = field(source, "media_type").unwrap_or_else(|| "image/png".to_owned());
                Ok(ContentBlock::Image(ImageContent::new(data, media_type)))
            }
            (None, Some(url)) => Ok(ContentBlock::ResourceLink(ResourceLink::new("image", url))),
            _ => Err("An image".to_owned()),
        },
        Some("document") => {
            let title = field(part, "title").unwrap_or_else(|| "document".to_owned());
            let uri = format!("document:///{}", title.replace(' ', "%20"));
            match (field(source, "type").as_deref(), field(source, "data"), url) {
                (Some("text"), Some(data), _) if takes.embedded_context => {
                    let contents = TextResourceContents::new(data, uri);
                    Ok(resource(EmbeddedResourceResource::TextResourceContents(contents)))
                }
                (Some("text"), Some(data), _) => Ok(text(&format!("{title}:\n{data}"))),
                (_, Some(data), _) if takes.embedded_context => {
                    let contents =
                        BlobResourceContents::new(data, uri).mime_type(field(source, "media_type"));
                    Ok(resource(EmbeddedResourceResource::BlobResourceContents(contents)))
                }
                (_, None, Some(url)) => Ok(ContentBlock::ResourceLink(ResourceLink::new(title, url))),
                _ => Err(format!("The document “{title}”")),
            }
        }
        Some(other) => Err(format!("A block of type “{other}”")),
        None => Err("Something without a type".to_owned()),
    }
}

fn resource(contents: EmbeddedResourceResource) -> ContentBlock {
    ContentBlock::Resource(EmbeddedResource::new(contents))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn an_image_goes_where_it_is_taken_and_is_named_where_it_is_not() {
        let content = json!([
            {"type": "text", "text": "look"},
            {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "AAAA"}},
        ]);
        let (sent, left_out) = blocks(&content, &PromptCapabilities::new().image(true));
        assert!(left_out.is_empty());
        assert_eq!(
            serde_json::to_value(&sent[1]).unwrap(),
            json!({"type": "image", "data": "AAAA", "mimeType": "image/png"})
        );
        let (sent, left_out) = blocks(&content, &PromptCapabilities::new());
        assert_eq!(left_out, ["An image was left out: this agent does not take it."]);
        assert_eq!(sent.len(), 2);
    }

    #[test]
    fn a_document_is_embedded_linked_or_told() {
        let document = |source: Value| json!([{"type": "document", "title": "a b", "source": source}]);
        let written = json!({"type": "text", "media_type": "text/plain", "data": "x"});
        let takes = PromptCapabilities::new().embedded_context(true);
        let (sent, _) = blocks(&document(written.clone()), &takes);
        assert_eq!(serde_json::to_value(&sent[0]).unwrap()["resource"]["uri"], "document:///a%20b");
        let (sent, _) = blocks(&document(written), &PromptCapabilities::new());
        assert_eq!(sent[0], text("a b:\nx"));
        let (_, left_out) =
            blocks(&document(json!({"type": "base64", "data": "AA"})), &PromptCapabilities::new());
        assert_eq!(left_out.len(), 1);
    }

    #[test]
    fn nothing_of_a_prompt_is_dropped_in_silence() {
        let (sent, left_out) = blocks(&json!([{"type": "future"}, 7]), &PromptCapabilities::new());
        assert_eq!((sent.len(), left_out.len()), (2, 2));
        assert_eq!(blocks(&json!("hi"), &PromptCapabilities::new()).0, [text("hi")]);
    }
}
