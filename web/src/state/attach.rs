//! What goes with a message: which files are taken, how big they may be, and the block each becomes.

use portcullis_protocol::limits::EVENT_BYTES_MAX;
use portcullis_protocol::wire::prompt::Attachment;
use serde::{Deserialize, Serialize};

/// Longest side of an image that is sent as it is, in px: models scale down what is larger.
const SIDE_PX_MAX: u32 = 1_568;
/// Bytes of one file in base64; models take no more.
pub const FILE_BYTES_MAX: usize = 5 * 1024 * 1024;
/// Bytes of all files of one message in base64: the rest of the event is for the text.
pub const FILES_BYTES_MAX: usize = EVENT_BYTES_MAX - 512 * 1024;

/// A file that goes with a message that was not sent yet.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Attached {
    pub name: String,
    /// As browsers write it: media type and base64.
    pub data_url: String,
}

/// Those of `files` that may go with one message, from the first on: what was kept may be of another version.
#[must_use]
pub fn fitting(files: Vec<Attached>) -> Vec<Attached> {
    let mut bytes = 0_usize;
    let taken = files.into_iter().filter(|file| attachment(&file.data_url).is_some());
    taken
        .take_while(|file| {
            bytes = bytes.saturating_add(file.data_url.len());
            bytes <= FILES_BYTES_MAX
        })
        .collect()
}

/// The data URL of what was to be sent, to be shown and sent again.
#[must_use]
pub fn attached(file: &Attachment) -> Attached {
    let data_url = format!("data:{};base64,{}", file.media_type, file.data);
    Attached { name: file.media_type.clone(), data_url }
}

/// Whether files of this media type are taken.
#[must_use]
pub fn is_taken(media_type: &str) -> bool {
    matches!(media_type, "image/png" | "image/jpeg" | "image/webp" | "image/gif" | "application/pdf")
}

/// The size an image of so many px has to get, `None` where it may stay.
#[must_use]
pub fn scaled(width: u32, height: u32) -> Option<(u32, u32)> {
    let longest = width.max(height);
    if longest <= SIDE_PX_MAX {
        return None;
    }
    let side = |px: u32| {
        let scaled = u64::from(px) * u64::from(SIDE_PX_MAX) / u64::from(longest);
        u32::try_from(scaled).unwrap_or(SIDE_PX_MAX).max(1)
    };
    Some((side(width), side(height)))
}

/// Whether a file of so many bytes fits as it is: base64 makes four of three.
#[must_use]
pub fn fits_as_it_is(bytes: f64) -> bool {
    #[expect(clippy::cast_precision_loss, reason = "a few million")]
    let most = FILE_BYTES_MAX as f64;
    bytes * 4.0 / 3.0 <= most
}

/// The attachment in a data URL as browsers write it, if it is one that is taken.
#[must_use]
pub fn attachment(data_url: &str) -> Option<Attachment> {
    let (head, data) = data_url.strip_prefix("data:")?.split_once(',')?;
    let media_type = head.strip_suffix(";base64")?;
    let fits = is_taken(media_type) && !data.is_empty() && data.len() <= FILE_BYTES_MAX;
    fits.then(|| Attachment { media_type: media_type.to_owned(), data: data.to_owned() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_large_images_are_scaled_and_keep_their_shape() {
        assert_eq!(scaled(1_568, 20), None);
        assert_eq!(scaled(3_136, 1_000), Some((1_568, 500)));
        assert_eq!(scaled(1, 100_000), Some((1, 1_568)));
        assert_eq!(scaled(0, 0), None);
    }

    #[test]
    fn a_data_url_becomes_a_block_and_anything_else_does_not() {
        let taken = attachment("data:image/png;base64,AAAA").unwrap();
        assert_eq!(
            (taken.media_type.as_str(), taken.data.as_str(), taken.is_image()),
            ("image/png", "AAAA", true)
        );
        assert!(!attachment("data:application/pdf;base64,AAAA").unwrap().is_image());
        let long = format!("data:image/png;base64,{}", "A".repeat(FILE_BYTES_MAX + 1));
        for other in [
            "data:image/svg+xml;base64,AAAA",
            "data:image/png,AAAA",
            "data:image/png;base64,",
            "data:,",
            "",
            &long,
        ] {
            assert_eq!(attachment(other), None);
        }
    }

    #[test]
    fn what_was_kept_comes_back_as_far_as_it_may_be_sent() {
        let file = |data_url: String| Attached { name: "a".into(), data_url };
        let first = attached(&attachment("data:image/png;base64,AAAA").unwrap());
        assert_eq!(first.data_url, "data:image/png;base64,AAAA");
        let big = || file(format!("data:image/png;base64,{}", "A".repeat(FILE_BYTES_MAX)));
        let kept = vec![first.clone(), file("data:text/html;base64,AAAA".into()), big(), big()];
        let fits = fitting(kept);
        assert_eq!((fits.len(), &fits[0]), (2, &first), "no other kind, and no more than one message takes");
    }
}
