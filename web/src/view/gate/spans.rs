use leptos::prelude::*;
use portcullis_protocol::approval::reveal::{Span, code_point};

/// A revealed line: what hides or misleads is named, tabs and trailing spaces are visible, the break is a sign.
pub(crate) fn spans(line: &[Span], broken: bool) -> AnyView {
    let end = broken.then(|| view! { <span class="sign" aria-hidden="true">"⏎"</span> });
    view! { <bdi>{line.iter().map(span).collect_view()}</bdi>{end} }.into_any()
}

fn span(span: &Span) -> AnyView {
    match span {
        Span::Plain(text) => text.clone().into_any(),
        Span::Named(character) => {
            view! { <span class="hidden-char">{format!("⟨{}⟩", code_point(*character))}</span> }.into_any()
        }
        Span::Space(character) => {
            view! { <span class="hidden-char">{format!("⟨{}⟩", code_point(*character))}</span> }.into_any()
        }
        // What is copied is the tab or the spaces; the marks are painted by the style.
        Span::Tab => view! { <span class="tab">"\t"</span> }.into_any(),
        Span::Run(count) => {
            let name = format!("⟨{count} spaces⟩");
            view! { <span class="spaces" data-name=name>{" ".repeat(*count)}</span> }.into_any()
        }
        Span::Trailing(count) => view! { <span class="spaces">{" ".repeat(*count)}</span> }.into_any(),
    }
}
