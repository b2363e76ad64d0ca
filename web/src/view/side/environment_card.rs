use leptos::prelude::*;
use portcullis_protocol::wire::rest::Environment;

use crate::state::app::App;
use crate::state::exact::literal;
use crate::text::words;
use crate::view::shell::told;

/// One machine: its name, directory and branch, and whether its bridge is there.
#[component]
pub(crate) fn EnvironmentCard(environment: Environment) -> impl IntoView {
    let app = App::here();
    let Environment { machine_name, directory, branch, online, last_seen_at_ms, .. } = environment;
    let presence = move || match online {
        true => "online".to_owned(),
        false => format!("offline, seen {}", ago(&words::age(app.clock_ms.get(), last_seen_at_ms))),
    };
    view! {
        <article class="machine" data-testid="environment" data-online=if online { "true" } else { "false" }>
            <p class="machine-name"><i class="dot" aria-hidden="true"></i>{told(&machine_name)}</p>
            <p class="machine-state">{presence}</p>
            <p class="machine-place"><code title=literal(&directory)>{told(&words::short_path(&directory))}</code></p>
            {branch.map(|branch| view! { <p class="machine-branch"><span class="unseen">"branch "</span><code>{told(&branch)}</code></p> })}
        </article>
    }
}

fn ago(age: &str) -> String {
    if age == "now" { "just now".into() } else { format!("{age} ago") }
}
