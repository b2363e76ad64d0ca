//! What the page says wherever it is.

use super::words;

words! {
    waits_for_you: "Waits for you" | "等待你处理";
}
