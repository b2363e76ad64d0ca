use leptos::prelude::*;
use portcullis_protocol::wire::rest::{SessionInfo, SessionStatus};

use crate::state::app::{App, RowAct};
use crate::state::command::Command;
use crate::state::deed::Deed;
use crate::view::shell::focus;
use crate::words::side as words;

/// Below its row, what can be done to a session: a choice, a field for its title, or a question before something ends.
#[component]
pub(crate) fn RowActs(info: Memo<Option<SessionInfo>>, act: RowAct) -> impl IntoView {
    match act {
        RowAct::Menu => view! { <Menu info/> }.into_any(),
        RowAct::Rename => view! { <Rename info/> }.into_any(),
        RowAct::Archive => view! { <Confirm info/> }.into_any(),
    }
}

#[component]
fn Menu(info: Memo<Option<SessionInfo>>) -> impl IntoView {
    let app = App::here();
    let status = move || info.with(|info| info.as_ref().map(|info| info.status));
    let rename = move |_| turn(app, info, RowAct::Rename);
    let archive = move |_| {
        if untrack(status) == Some(SessionStatus::Idle) {
            archive(app, info)
        } else {
            turn(app, info, RowAct::Archive)
        }
    };
    let unarchive = move |_| {
        app.row.set(None);
        if let Some(info) = info.get_untracked() {
            app.send(Command::Do(Deed::Unarchive(info.id)));
        }
    };
    view! {
        <div class="row-acts buttons">
            <button class="button" data-testid="row-rename" on:click=rename>{words::rename()}</button>
            <button class="button" data-testid="row-archive" on:click=archive
                hidden=move || status() == Some(SessionStatus::Archived)>{words::archive()}</button>
            <button class="button" data-testid="row-unarchive" on:click=unarchive
                hidden=move || status() != Some(SessionStatus::Archived)>{words::unarchive()}</button>
        </div>
    }
    .into_any()
}

#[component]
fn Rename(info: Memo<Option<SessionInfo>>) -> impl IntoView {
    let app = App::here();
    let now = info.with_untracked(|info| info.as_ref().map(|info| info.title.clone())).unwrap_or_default();
    let title = RwSignal::new(now);
    let save = move |event: leptos::ev::SubmitEvent| {
        event.prevent_default();
        let title = title.get_untracked().trim().to_owned();
        if let (Some(info), false) = (info.get_untracked(), title.is_empty()) {
            app.lists.sessions.update(|all| {
                all.iter_mut().filter(|one| one.id == info.id).for_each(|one| one.title.clone_from(&title));
            });
            app.send(Command::Do(Deed::Rename { session: info.id, title }));
        }
        app.row.set(None);
    };
    let escape = move |event: leptos::ev::KeyboardEvent| {
        if event.key() == "Escape" {
            app.row.set(None);
        }
    };
    request_animation_frame(|| focus("[data-testid=row-title]"));
    view! {
        <form class="row-acts" on:submit=save>
            <input class="field" data-testid="row-title" aria-label=words::title() maxlength="200" enterkeyhint="done"
                prop:value=title on:input:target=move |event| title.set(event.target().value()) on:keydown=escape/>
            <div class="buttons">
                <button class="button" type="submit" data-testid="row-save">{words::save()}</button>
                <button class="button" type="button" on:click=move |_| app.row.set(None)>{words::cancel()}</button>
            </div>
        </form>
    }
    .into_any()
}

#[component]
fn Confirm(info: Memo<Option<SessionInfo>>) -> impl IntoView {
    let app = App::here();
    request_animation_frame(|| focus("[data-testid=row-keep]"));
    view! {
        <div class="row-acts" role="alertdialog" aria-label=words::archive()>
            <p>{words::ask_archive_busy()}</p>
            <div class="buttons">
                <button class="button" data-testid="row-keep" on:click=move |_| app.row.set(None)>{words::cancel()}</button>
                <button class="button deny" data-testid="row-archive-anyway" on:click=move |_| archive(app, info)>{words::archive()}</button>
            </div>
        </div>
    }
    .into_any()
}

fn turn(app: App, info: Memo<Option<SessionInfo>>, act: RowAct) {
    app.row.set(info.get_untracked().map(|info| (info.id, act)));
}

/// Off the list at once; the next reading says whether the server agreed.
fn archive(app: App, info: Memo<Option<SessionInfo>>) {
    let Some(info) = info.get_untracked() else { return };
    app.row.set(None);
    app.lists.sessions.update(|all| all.retain(|one| one.id != info.id));
    app.lists.opened.set(Some(SessionInfo { status: SessionStatus::Archived, ..info.clone() }));
    app.send(Command::Do(Deed::Archive(info.id)));
}
