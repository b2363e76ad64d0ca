//! What the page says wherever it is.

use super::words;

words! {
    part_awaited: "Loading this part of the page." | "正在加载页面的这一部分。";
    part_failed: "This part of the page could not be loaded. Try again; if that does not help, reload the page." | "页面的这一部分无法加载。请重试；如果没有用，请重新加载页面。";
    part_again: "Try again" | "重试";
    waits_for_you: "Waits for you" | "等待你处理";
}
