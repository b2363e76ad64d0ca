use leptos::prelude::*;
use portcullis_protocol::wire::rest::Environment;

use crate::state::app::App;
use crate::state::exact::literal;
use crate::text::words::{age, short_path};
use crate::view::shell::told;
use crate::words::{page, side as words};

/// One machine: its name, directory and branch, and whether its bridge is there.
#[component]
pub(crate) fn EnvironmentCard(environment: Environment) -> impl IntoView {
    let app = App::here();
    let Environment { machine_name, directory, branch, online, last_seen_at_ms, .. } = environment;
    let presence = move || match (online, age(app.clock_ms.get(), last_seen_at_ms)) {
        (true, _) => words::online().to_owned(),
        (false, age) if age == page::just_now() => words::offline_just_now().to_owned(),
        (false, age) => words::offline_seen(age),
    };
    let branch = branch.map(|branch| {
        let before = format!("{} ", words::branch());
        view! { <p class="machine-branch"><span class="unseen">{before}</span><code>{told(&branch)}</code></p> }
            .into_any()
    });
    view! {
        <article class="machine" data-testid="environment" data-online=if online { "true" } else { "false" }>
            <p class="machine-name"><i class="dot" aria-hidden="true"></i>{told(&machine_name)}</p>
            <p class="machine-state">{presence}</p>
            <p class="machine-place"><code title=literal(&directory)>{told(&short_path(&directory))}</code></p>
            {branch}
        </article>
    }
    .into_any()
}
